"""The relay waits for its database: in few words, with growing pauses, and says what to do where that is known."""

import logging
import threading
import time

import pytest
from django.db import OperationalError

from publisher.models import OutboxEvent
from publisher.relay.leases import Leases
from publisher.relay.patience import Patience
from publisher.relay.relay import Relay
from publisher.relay.session import Session
from publisher.wire.errors import MessageRefused
from tests.databases import without_table
from tests.foo.models import Article
from tests.proxy import Proxy
from tests.stage import Pauses, eventually

AWAY = OperationalError("the server\n\tis away")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pauses():
    return Pauses()


@pytest.fixture
def patience(pauses):
    return Patience("default", pauses)


@pytest.fixture
def said(caplog):
    """What the relay logged so far."""
    caplog.set_level(logging.INFO, "publisher.relay")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "publisher.relay"]


def test_pauses_grow_up_to_four_seconds_and_begin_anew_after_the_wait(patience, pauses):
    for _ in range(2000):
        patience.wait(AWAY)
    longest = [0.25, 0.5, 1.0, 2.0, *[4.0] * 1996]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses.seconds, longest, strict=True))
    patience.over()
    patience.wait(AWAY)
    assert pauses.seconds[-1] <= 0.25


def test_each_trouble_is_told_once_a_wait_and_the_end_of_it_once(patience, said):
    other = OperationalError("too many connections")
    for trouble in (AWAY, AWAY, other, AWAY, other):
        patience.wait(trouble)
    for _ in range(2):
        patience.over()
    patience.wait(AWAY)
    away = "waiting for the database default: the server is away"
    assert said() == [
        away,
        "waiting for the database default: too many connections",
        "the wait for the database default is over",
        away,
    ]


def test_pause_ends_at_once_when_the_relay_is_told_to():
    stop = threading.Event()
    stop.set()
    patience, began = Patience("default", stop), time.monotonic()
    for _ in range(10):
        patience.wait(AWAY)
    assert time.monotonic() - began < 1


def test_line_says_what_to_do_when_the_outbox_is_missing(patience, said):
    with without_table(OutboxEvent):
        patience.wait(AWAY)
    assert said() == [
        "waiting for the database default: the server is away; run: manage.py migrate publisher --database default"
    ]


def test_trouble_of_every_session_is_one_wait(bridge, said):
    """The lease can be had, the outbox cannot: each session gets as far as that."""
    Article.objects.create(title="one")
    stop = threading.Event()
    threading.Timer(2, stop.set).start()
    with without_table(OutboxEvent):
        Relay("default", stop=stop).run()
    waits = [line for line in said() if "wait" in line]
    assert len(waits) == 1
    assert waits[0].endswith("; run: manage.py migrate publisher --database default")


def test_wait_is_over_when_the_outbox_was_emptied(bridge, said):
    relay = Relay("default")
    relay.patience.wait(AWAY)
    relay.run(once=True)
    assert "the wait for the database default is over" in said()


def test_relay_waits_before_it_connects_again_when_the_broker_refused_nothing_that_was_sent(
    bridge, monkeypatch, pauses
):
    def refuse(self):
        refusals.append(1)
        if len(refusals) == 4:
            pauses.set()
        raise MessageRefused("not this exchange", [])

    refusals = []
    monkeypatch.setattr(Session, "send_waiting", refuse)
    Relay("default", stop=pauses).run()
    assert len(pauses.seconds) == 4
    assert pauses.seconds[0] < 0.25 < pauses.seconds[-1]


def test_wait_is_over_when_another_relay_has_the_lease(said):
    Leases("default", 1).renew()
    stop = threading.Event()
    relay = Relay("default", stop=stop)
    relay.patience.wait(AWAY)
    threading.Timer(1, stop.set).start()
    relay.run()
    assert "the wait for the database default is over" in said()


@pytest.mark.parametrize("engine", ["postgres"])
def test_relay_says_once_to_migrate_and_goes_on_when_that_was_done(stage):
    stage.manage("migrate", "publisher", "zero", "-v0")
    relay = stage.start("relay")
    eventually(lambda: "waiting for" in relay.log.read_text())
    with pytest.raises(AssertionError):
        eventually(lambda: relay.log.read_text().count("waiting for") > 1, seconds=2)
    assert "run: manage.py migrate publisher --database default" in relay.log.read_text()
    stage.manage("migrate", "publisher", "-v0")
    eventually(lambda: "the wait for the database default is over" in relay.log.read_text())
    assert "lease held" in relay.log.read_text()
    relay.terminate()
    assert relay.wait(10) == 0


@pytest.mark.parametrize("engine", ["postgres"])
def test_relay_says_once_that_the_database_is_away_and_once_that_it_is_back(stage):
    database = Proxy(stage.database.url)
    database.open()
    try:
        relay = stage.start("relay", TEST_DATABASE_URL=database.url)
        eventually(lambda: "lease held" in relay.log.read_text())
        database.close()
        eventually(lambda: "refused" in relay.log.read_text())
        told = relay.log.read_text().count("waiting for the database")
        with pytest.raises(AssertionError):
            eventually(lambda: relay.log.read_text().count("waiting for the database") > told, seconds=3)
        database.open()
        eventually(lambda: "the wait for the database default is over" in relay.log.read_text())
        assert relay.log.read_text().count("is over") == 1
    finally:
        database.close()


# The server asks for it by itself, too.
LEVELS = """
from django.db import connection, transaction
from publisher.outbox.postgres import read_committed

def show():
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        print(cursor.fetchone()[0])

connection.settings_dict["OPTIONS"]["isolation_level"] = 4
with transaction.atomic():
    show()
read_committed(connection)
show()
with transaction.atomic():
    show()
"""


@pytest.fixture
def serializable(stage):
    name = stage.database.value("SELECT current_database()")
    stage.database.rows(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    stage.database.close()


@pytest.mark.parametrize("engine", ["postgres"])
@pytest.mark.usefixtures("serializable")
def test_relay_waits_for_no_outage_when_the_database_is_serializable_and_another_wrote_what_it_writes(stage):
    relay = stage.start("relay")
    eventually(lambda: "connected" in relay.log.read_text())
    connection = stage.database.connection
    connection.set_autocommit(False)
    stage.database.rows("UPDATE publisher_relaylease SET claimant = ''")
    # In which the relay renews its lease, too.
    time.sleep(2.5)
    before = stage.database.value("SELECT expires_at FROM publisher_relaylease")
    connection.commit()
    connection.set_autocommit(True)
    eventually(lambda: stage.database.value("SELECT expires_at FROM publisher_relaylease") > before)
    assert "waiting for the database" not in relay.log.read_text()


@pytest.mark.parametrize("engine", ["postgres"])
@pytest.mark.usefixtures("serializable")
def test_each_transaction_reads_what_is_committed_whatever_the_project_and_the_server_say(stage):
    assert stage.python(LEVELS).split("\n") == ["serializable", "read committed", "read committed", ""]
