"""The relay in this process: outbox to a real exchange, seen from outside with plain pika."""

import json
import logging
import re
import socket
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import transaction

from publisher.models import OutboxEvent, UnroutableKey
from publisher.outbox.leases import leases
from publisher.relay.leases import LEASE_SECONDS
from publisher.relay.relay import Relay
from publisher.wire.errors import BrokerRefused, BrokerUnavailable
from publisher.wire.origin import Origin, originating
from publisher.wire.sender import Outcome
from tests.foo.models import Article
from tests.foo.signals import user_login
from tests.leasing import held
from tests.stage import eventually

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def line(queues):
    """A queue for everything."""
    queues.bind("all", "#")
    yield queues
    queues.delete("all")


def relay(once=True, **more):
    one = Relay("default", **more)
    one.run(once=once)
    return one


def test_once_empties_the_outbox_in_order(line):
    titles = [str(number) for number in range(1200)]
    with transaction.atomic():
        for title in titles:
            Article.objects.create(title=title)
    one = relay()
    assert not OutboxEvent.objects.exists()
    assert one.tally == {Outcome.CONFIRMED: 1200}
    sent = [json.loads(letter.body)["data"]["kwargs"]["instance"]["fields"]["title"] for letter in line.take("all")]
    assert sent == titles


def test_once_ends_when_there_is_nothing(line):
    began = time.monotonic()
    assert relay().tally == {}
    assert time.monotonic() - began < 3
    assert line.count("all") == 0


def test_message_is_as_the_design_says(line, names):
    at = datetime(2026, 11, 23, 8, tzinfo=UTC)
    article = Article.objects.create(title="one", price=Decimal("9.90"), at=at, api_token="planted-secret")
    relay()
    (letter,) = line.take("all")
    body, properties = json.loads(letter.body), letter.properties
    time_sent = datetime.fromisoformat(body.pop("time"))
    assert abs((datetime.now(UTC) - time_sent).total_seconds()) < 30
    event_id = body.pop("id")
    types = body["data"].pop("types")
    assert body == {
        "specversion": "1.0",
        "source": f"/{names['SERVICE']}",
        "type": "django.db.models.signals.post_save",
        "subject": f"foo.article/{article.pk}",
        "datacontenttype": "application/json",
        "partitionkey": f"foo.article/{article.pk}",
        "data": {
            "sender": "foo.article",
            "kwargs": {
                "created": True, "update_fields": None, "raw": False, "using": "default",
                "instance": {
                    "model": "foo.article",
                    "pk": article.pk,
                    "fields": {
                        "id": article.pk, "title": "one", "price": "9.90", "at": "2026-11-23T08:00:00Z",
                        "ref": None, "length": None, "raw": "", "data": {"note": "unlogged"},
                    },
                },
            },
        },
    }  # fmt: skip
    assert types == {
        "kwargs.instance.fields.price": "decimal",
        "kwargs.instance.fields.at": "datetime",
        "kwargs.instance.fields.raw": "bytes",
        "kwargs.instance.fields.api_token": "dropped",
    }
    assert letter.routing_key == "db.post_save.foo.article"
    assert properties.content_type == "application/cloudevents+json"
    assert (properties.message_id, properties.type) == (event_id, "django.db.models.signals.post_save")
    assert (properties.app_id, properties.delivery_mode) == (names["SERVICE"], 2)
    assert abs(properties.timestamp - time_sent.timestamp()) <= 1
    assert (properties.expiration, properties.priority, properties.reply_to) == (None, None, None)
    assert properties.correlation_id is None


def test_message_has_the_request_of_its_event_as_its_correlation(line):
    for text in ("r-1", "ü" * 200):
        with originating(Origin(correlationid=text)):
            Article.objects.create(title=text)
    Article.objects.create(title="another")
    relay()
    letters = line.take("all")
    assert [letter.properties.correlation_id for letter in letters] == ["r-1", None, None]
    assert json.loads(letters[1].body)["correlationid"] == "ü" * 200
    assert all(letter.properties.message_id == json.loads(letter.body)["id"] for letter in letters)


def test_log_of_the_relay_has_trace_and_request_of_what_it_dropped(queues, caplog, settings):
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "UNROUTABLE": "drop"}
    queues.bind("logins", "foo.#")
    with originating(Origin(traceparent=TRACE, correlationid="r-1")), caplog.at_level(logging.WARNING, "publisher"):
        Article.objects.create(title="one")
        relay()
    (line,) = [record.getMessage() for record in caplog.records if "unroutable" in record.getMessage()]
    assert "trace=4bf92f3577b34da6a3ce929d0e0e4736 request=r-1" in line
    queues.delete("logins")


class EmptyMeanwhile(threading.Event):
    """While it is waited for, another relay empties the outbox."""

    def wait(self, timeout=None):
        OutboxEvent.objects.all().delete()
        return super().wait(timeout)


def test_once_ends_when_another_relay_has_emptied_the_outbox(bridge, caplog):
    held()
    Article.objects.create(title="one")
    with caplog.at_level(logging.INFO, "publisher"):
        relay(stop=EmptyMeanwhile())
    assert "standing by" in caplog.text
    assert "lease held" not in caplog.text, "the other one's has not expired"


def test_unroutable_is_counted_and_warned_of_now_and_then(queues, caplog, settings):
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "UNROUTABLE": "drop"}
    queues.bind("logins", "foo.#")
    for number in range(5):
        Article.objects.create(title=str(number))
        user_login.send(None, number=number)
    with caplog.at_level(logging.WARNING, "publisher"):
        one = relay()
        for number in range(6):
            Article.objects.create(title=str(number))
            relay()
    assert one.tally == {Outcome.UNROUTABLE: 5, Outcome.CONFIRMED: 5}
    assert not OutboxEvent.objects.exists()
    assert [(row.routing_key, row.count) for row in UnroutableKey.objects.all()] == [("db.post_save.foo.article", 11)]
    warnings = [record.getMessage() for record in caplog.records if "unroutable" in record.getMessage()]
    assert [re.search(r"key=(\S+) .* (\d+) dropped so far", text).groups() for text in warnings] == [
        ("db.post_save.foo.article", "1"), ("db.post_save.foo.article", "10"),
    ]  # fmt: skip
    assert len(queues.take("logins")) == 5
    queues.delete("logins")


def test_rows_stay_when_the_broker_refuses_the_password(settings, bridge):
    settings.SIGNAL_BRIDGE = {**bridge, "BROKER_URL": bridge["BROKER_URL"].replace("guest@", "planted@")}
    Article.objects.create(title="one")
    with pytest.raises(BrokerRefused) as caught:
        relay()
    assert "planted" not in str(caught.value)
    assert OutboxEvent.objects.count() == 1
    # The next relay need not wait for the lease to expire.
    assert not leases("default").alive().exists()
    settings.SIGNAL_BRIDGE = bridge


def test_standby_says_at_once_that_the_broker_refuses_the_password(settings, bridge):
    held()
    Article.objects.create(title="one")
    settings.SIGNAL_BRIDGE = {**bridge, "BROKER_URL": bridge["BROKER_URL"].replace("guest@", "planted@")}
    stop = threading.Event()
    timer = threading.Timer(LEASE_SECONDS - 2, stop.set)
    timer.start()
    with pytest.raises(BrokerRefused):
        relay(stop=stop)
    timer.cancel()
    settings.SIGNAL_BRIDGE = bridge


def test_relay_waits_for_the_broker_with_one_line_when_it_is_away(settings, bridge, caplog):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings.SIGNAL_BRIDGE = {**bridge, "BROKER_URL": f"amqp://guest:planted@127.0.0.1:{port}/%2F"}
    Article.objects.create(title="one")
    stop = threading.Event()
    timer = threading.Timer(1.5, stop.set)
    timer.start()
    with caplog.at_level(logging.WARNING):
        relay(stop=stop)
    timer.join()
    waits = [record.getMessage() for record in caplog.records if "waiting for the broker" in record.getMessage()]
    assert len(waits) == 1
    assert f"127.0.0.1:{port}" in waits[0]
    assert "planted" not in caplog.text
    assert OutboxEvent.objects.count() == 1
    settings.SIGNAL_BRIDGE = bridge


def test_body_goes_unchanged_when_it_is_large(line):
    user_login.send(None, text="x" * 1_000_000)
    (row,) = OutboxEvent.objects.all()
    body = bytes(row.body)
    relay()
    assert line.take("all")[0].body == body


def test_relay_waits_ever_longer_when_no_session_settles_anything(line, monkeypatch):
    """As where each thing sent closes the channel: what was ahead of it would be published again and again."""
    stop, begun = threading.Event(), []

    def failing(*_):
        begun.append(time.monotonic())
        raise BrokerUnavailable("what is published to is gone")

    monkeypatch.setattr("publisher.relay.relay.Sender", failing)
    timer = threading.Timer(4, stop.set)
    timer.start()
    relay(once=False, stop=stop)
    timer.join()
    assert 3 <= len(begun) < 9
    assert begun[-1] - begun[-2] > begun[1] - begun[0]


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_relay_commits_though_the_project_turned_autocommit_off(stage, queues):
    queues.bind("q", "#")
    stage.python("from tests.foo.models import Article\nfor n in range(3): Article.objects.create(title=str(n))")
    stage.python(
        "from django.db import connection\n"
        "connection.settings_dict['AUTOCOMMIT'] = False\n"
        "from publisher.relay.relay import Relay\n"
        "Relay('default').run(once=True)"
    )
    assert (stage.outbox(), queues.count("q")) == (0, 3)
    queues.delete("q")


@pytest.mark.parametrize("engine", ["postgres"])
def test_relay_goes_on_when_database_and_broker_end_while_it_waits_for_confirms(stage, late_broker):
    late_broker.open()
    running = stage.start("relay", BROKER_URL=late_broker.url)
    eventually(lambda: "connected" in running.log.read_text())
    time.sleep(1)
    late_broker.is_deaf = True
    stage.python("""
from django.db import transaction
from tests.foo.models import Article
with transaction.atomic():
    for n in range(2600): Article.objects.create(title=str(n))
""")
    time.sleep(1.5)  # the window is full now, and no query is made
    stage.database.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    time.sleep(0.15)
    late_broker.close()
    late_broker.is_deaf = False
    time.sleep(1)
    late_broker.open()
    eventually(lambda: stage.outbox() == 0 or running.poll() is not None, 30)
    assert running.poll() is None
