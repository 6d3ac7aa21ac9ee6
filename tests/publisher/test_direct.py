"""Direct delivery: at most once, never in the way of whoever sends."""

import json
import logging
import threading
import time
from collections import deque
from unittest.mock import MagicMock

import pytest
from django.db import connections, transaction

from publisher import counters, direct
from publisher.direct_thread import publish
from publisher.models import OutboxEvent
from publisher.outbox.writing import after_commit
from publisher.wire.errors import MessageRefused
from publisher.wire.loop import Loop
from publisher.wire.origin import Origin, originating
from tests.foo.signals import article_flagged
from tests.stage import eventually

SIGNAL = "tests.foo.signals.article_flagged"
KEY = "foo.article_flagged"


@pytest.fixture
def flagged(bridge, settings, queues):
    """The signal, delivered directly into a queue."""
    settings.SIGNAL_BRIDGE = {**bridge, "FORWARD": [{"signal": SIGNAL, "delivery": "direct"}]}
    queues.bind("q", "foo.#")
    yield lambda n=0: article_flagged.send(sender=None, n=n)
    direct.buffer().close()
    queues.delete("q")


@pytest.mark.django_db(transaction=True)
def test_direct_event_arrives_without_an_outbox(flagged, queues):
    with originating(Origin(correlationid="r-1")):
        flagged(7)
    eventually(lambda: queues.count("q") == 1)
    (letter,) = queues.take("q")
    assert b'"n":7' in letter.body
    assert (letter.properties.delivery_mode, letter.properties.correlation_id) == (2, "r-1")
    assert not OutboxEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_direct_event_waits_for_the_commit(flagged, queues):
    with transaction.atomic():
        flagged(1)
        transaction.set_rollback(True)
    with transaction.atomic():
        flagged(2)
    eventually(lambda: queues.count("q") == 1)
    (letter,) = queues.take("q")
    assert b'"n":2' in letter.body


@pytest.mark.django_db(transaction=True)
def test_unroutable_direct_event_is_counted_and_shown(flagged, queues, caplog):
    queues.unbind("q", "foo.#")
    before = counters.counts().get((counters.UNROUTABLE, KEY), 0)
    for n in range(2):
        flagged(n)
    eventually(lambda: counters.counts().get((counters.UNROUTABLE, KEY), 0) == before + 2)
    eventually(lambda: f"direct events unroutable key={KEY}, 1 so far: no queue is bound" in caplog.text)
    assert direct.buffer().dropped == 0


@pytest.mark.django_db(transaction=True)
def test_direct_event_counts_as_dropped_when_the_broker_refuses_it(flagged, queues, caplog):
    queues.bind_full("full", "foo.#")
    flagged()
    eventually(lambda: direct.buffer().dropped == 1)
    queues.delete("full")
    eventually(lambda: "direct events dropped=1 so far: the broker refused them: is a queue full?" in caplog.text)


@pytest.fixture
def handed_over(bridge, settings, monkeypatch):
    """What reaches the buffer of a process that has no broker to look for."""
    settings.SIGNAL_BRIDGE = {**bridge, "FORWARD": [{"signal": SIGNAL, "delivery": "direct"}]}
    events = []

    class Buffer:
        put = staticmethod(lambda event: events.append(json.loads(event.body)["data"]["kwargs"]["n"]))

    monkeypatch.setattr(direct, "buffer", Buffer)
    return events


@pytest.fixture
def by_hand():
    """Transactions without `atomic()`."""
    transaction.set_autocommit(False)
    yield
    transaction.rollback()
    transaction.set_autocommit(True)


@pytest.mark.django_db(transaction=True)
def test_direct_event_waits_for_the_commit_by_hand(handed_over, by_hand):
    article_flagged.send(sender=None, n=1)
    transaction.rollback()
    article_flagged.send(sender=None, n=2)
    assert handed_over == []
    transaction.commit()
    assert handed_over == [2]
    transaction.rollback()
    transaction.commit()
    assert handed_over == [2]


@pytest.mark.django_db(transaction=True)
def test_direct_event_of_a_block_leaves_with_the_commit_by_hand(handed_over, by_hand):
    with transaction.atomic():
        article_flagged.send(sender=None, n=1)
    transaction.commit()
    transaction.rollback()
    assert handed_over == [1]


@pytest.mark.django_db(transaction=True)
def test_direct_event_goes_with_a_savepoint_made_by_hand(handed_over):
    with transaction.atomic():
        article_flagged.send(sender=None, n=1)
        sid = connections["default"].savepoint()
        article_flagged.send(sender=None, n=2)
        transaction.savepoint_rollback(sid)
    assert handed_over == [1]


@pytest.mark.django_db(transaction=True)
def test_direct_event_asks_for_no_database_when_there_is_no_transaction(handed_over, monkeypatch):
    connection = connections["default"]
    monkeypatch.setattr(connection, "connection", None)
    article_flagged.send(sender=None, n=1)
    assert (handed_over, connection.connection) == ([1], None)


@pytest.mark.django_db(transaction=True)
def test_sender_neither_waits_nor_fails_when_the_broker_is_away(settings, caplog):
    away = {"BROKER_URL": "amqp://guest:guest@127.0.0.1:9/%2F", "FORWARD": [{"signal": SIGNAL, "delivery": "direct"}]}
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, **away}
    direct.buffer().most = 100
    began = time.monotonic()
    for n in range(150):
        article_flagged.send(sender=None, n=n)
    assert time.monotonic() - began < 5
    assert direct.buffer().dropped == 50
    eventually(lambda: "the buffer is full" in caplog.text)
    direct.buffer().close()
    assert direct.buffer().dropped == 150
    assert counters.counts()[counters.DROPPED, "direct"] == 150
    eventually(lambda: "the process ended" in caplog.text)
    direct._forget()


@pytest.fixture
def undisturbed(monkeypatch):
    """A buffer whose thread publishes nothing, for 3 events or 1,000 bytes."""
    monkeypatch.setattr(direct.Buffer, "_publish", lambda self: None)
    return direct.Buffer(most=3, most_bytes=1000)


def event(size):
    return direct.DirectEvent("id", SIGNAL, KEY, b"x" * size)


@pytest.mark.parametrize(
    ("sizes", "dropped"),
    [((1, 1, 1), 0), ((1, 1, 1, 1), 1), ((500, 500), 0), ((500, 501, 2), 1), ((1001,), 1)],
    ids=str,
)
def test_event_is_dropped_when_the_buffer_has_no_room_for_it(undisturbed, sizes, dropped):
    for size in sizes:
        undisturbed.put(event(size))
    assert (undisturbed.dropped, len(undisturbed.waiting)) == (dropped, len(sizes) - dropped)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [((1001,), "1001 bytes are more than the buffer holds"), ((500, 501), "the buffer is full")],
    ids=str,
)
def test_event_that_never_fits_has_a_reason_of_its_own(undisturbed, caplog, sizes, said):
    for size in sizes:
        undisturbed.put(event(size))
    eventually(lambda: f"direct events dropped=1 so far: {said}" in caplog.text)


@pytest.mark.django_db(transaction=True)
def test_drop_is_logged_in_another_thread_when_it_comes_in_the_middle_of_a_commit(undisturbed):
    """A logging handler may save rows, and the transaction is not over yet."""
    threads = []

    class Noting(logging.Handler):
        def emit(self, record):
            threads.append(threading.current_thread())

    handler = Noting()
    logging.getLogger("publisher.direct").addHandler(handler)
    try:
        with transaction.atomic():
            after_commit(lambda: undisturbed.put(event(1001)), "default")
        eventually(lambda: threads)
    finally:
        logging.getLogger("publisher.direct").removeHandler(handler)
    assert threading.current_thread() not in threads


def test_event_that_comes_after_the_end_is_dropped_and_counted(undisturbed, caplog):
    undisturbed.put(event(1))
    undisturbed.close()
    undisturbed.put(event(1))
    assert (undisturbed.dropped, len(undisturbed.waiting)) == (2, 0)


def test_buffer_has_room_again_for_what_was_taken(undisturbed):
    for size in (400, 600, 1):
        undisturbed.put(event(size))
    assert len(undisturbed.take().body) == 400
    for size in (401, 400):
        undisturbed.put(event(size))
    assert [len(waiting.body) for waiting in undisturbed.waiting] == [600, 400]
    assert undisturbed.dropped == 2


def from_a_broker_that_says(reason):
    """A sender to one that publishes what comes before the event `bad`, and closes the channel over that."""

    class Strict:
        has_room = is_open = True
        published = []

        def __init__(self, connection, exchange):
            self.in_flight, self.settled = {}, deque()

        def send(self, event, message):
            self.in_flight[len(self.in_flight)] = (event, event.message_id)

        def poll(self, timeout_seconds):
            for event, number in list(self.in_flight.values()):
                if number == "bad":
                    raise MessageRefused(reason, [event for event, _ in self.in_flight.values()])
                self.published.append(number)
            self.in_flight.clear()

    return Strict


@pytest.mark.parametrize(
    ("reason", "published", "dropped"),
    [
        ("message size 80 is larger than configured max size 64", list("123456"), 1),
        ("access to topic 'shop.order' in exchange 'signals' refused", list("123456"), 1),
        ("a reason that names none", list("123"), 7),
    ],
    ids=["size", "topic", "unknown"],
)
def test_event_that_the_broker_refuses_is_dropped_alone_where_it_can_be_told(
    undisturbed, settings, monkeypatch, reason, published, dropped
):
    sender = from_a_broker_that_says(reason)
    monkeypatch.setattr("publisher.direct_thread.Sender", sender)
    monkeypatch.setattr("publisher.direct_thread.connect_patiently", lambda *args, **named: MagicMock())
    undisturbed.most = 10
    for number in [*"123", "bad", *"456"]:
        bad = number == "bad"
        key = "shop.order" if bad else KEY
        undisturbed.put(direct.DirectEvent(number, SIGNAL, key, b"x" * (80 if bad else 10)))
    undisturbed.stop.set()
    publish(undisturbed)
    assert (sender.published, undisturbed.dropped, undisturbed.in_flight) == (published, dropped, 0)


@pytest.mark.django_db(transaction=True)
def test_event_that_amqp_cannot_carry_is_dropped_alone_and_counted(flagged, queues, caplog):
    direct.buffer().put(direct.DirectEvent("id", "x" * 300, KEY, b"{}"))
    flagged()
    eventually(lambda: queues.count("q") == 1)
    assert direct.buffer().dropped == 1
    eventually(lambda: "direct events dropped=1 so far: AMQP's short strings hold 255 bytes" in caplog.text)


def test_broker_that_refuses_is_not_asked_again_when_the_process_ends(settings, caplog):
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "BROKER_URL": "no.amqp/"}
    buffer = direct.Buffer()
    buffer.put(event(1))
    eventually(lambda: "direct delivery refused" in caplog.text)
    buffer.close()
    assert caplog.text.count("direct delivery refused") == 1
    eventually(lambda: "direct events dropped=1 so far: the process ended" in caplog.text)


def test_thread_imports_nothing_so_that_a_fork_finds_no_module_half_imported(stage, queues):
    """A child in which another thread's import never ends waits for it for ever."""
    queues.bind("q", "foo.#")
    imported = stage.python(f"""
import sys, time
from publisher import direct
from django.test import override_settings
from django.conf import settings
from tests.foo.signals import article_flagged
rule = {{"signal": "{SIGNAL}", "delivery": "direct"}}
with override_settings(SIGNAL_BRIDGE={{**settings.SIGNAL_BRIDGE, "FORWARD": [rule]}}):
    before = set(sys.modules)
    direct.buffer()
    direct.buffer().put(direct.DirectEvent("1", "t", "foo.x", b"{{}}"))
    while direct.buffer().waiting or direct.buffer().in_flight:
        time.sleep(0.01)
    print(sorted(set(sys.modules) - before))
""")
    assert imported.strip() == "[]"
    queues.delete("q")


def test_forked_child_has_a_thread_of_its_own(stage, queues):
    queues.bind("q", "foo.#")
    stage.python(f"""
import os, time
from publisher import counters, direct
from django.test import override_settings
from django.conf import settings
from tests.foo.signals import article_flagged
rule = {{"signal": "{SIGNAL}", "delivery": "direct"}}
with override_settings(SIGNAL_BRIDGE={{**settings.SIGNAL_BRIDGE, "FORWARD": [rule]}}):
    article_flagged.send(sender=None, n=1)
    child = os.fork()
    article_flagged.send(sender=None, n=2)
    # At its end a process waits two seconds for the broker, which a busy machine may take to connect.
    while direct.buffer().waiting or direct.buffer().in_flight:
        time.sleep(0.01)
    if child:
        os.waitpid(child, 0)
""")
    eventually(lambda: queues.count("q") == 3)
    assert sorted(letter.body.count(b'"n":2') for letter in queues.take("q")) == [0, 1, 1]
    queues.delete("q")


def test_web_process_does_not_import_pika(stage):
    printed = stage.python("""
import sys
from django.test import Client
from tests.foo.models import Article
Article.objects.create(title="x")
assert Client().get("/healthz/").status_code in (200, 404)
print("pika" in sys.modules)
""")
    assert printed.strip().endswith("False")


@pytest.mark.django_db(transaction=True)
def test_direct_event_waits_for_the_next_one_when_no_thread_can_be_started(flagged, queues, monkeypatch, caplog):
    def start(thread):
        raise RuntimeError("can't start new thread")

    direct._forget()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        flagged(1)
    eventually(lambda: "direct events wait: can't start new thread" in caplog.text)
    flagged(2)
    eventually(lambda: queues.count("q") == 2)


@pytest.mark.django_db(transaction=True)
def test_direct_delivery_goes_on_after_an_error_that_nobody_foresaw(flagged, queues, monkeypatch, caplog):
    made = []

    def loop():
        made.append(1)
        if len(made) == 1:
            raise OSError("too many open files")
        return Loop()

    direct._forget()
    monkeypatch.setattr("publisher.direct_thread.Loop", loop)
    monkeypatch.setattr("publisher.direct_thread.IDLE_SECONDS", 0.05)
    flagged(1)
    eventually(lambda: queues.count("q") == 1)
    eventually(lambda: "direct delivery failed" in caplog.text)
