"""A worker as a process: the broker comes late, a queue goes, strangers write headers."""

import gc
import signal
import struct
import time
from datetime import UTC, datetime
from threading import Event as Flag
from types import SimpleNamespace

import pika
import pytest

from consumers.worker.options import Settings
from consumers.worker.session import Session
from consumers.worker.worker import Worker
from tests.queues import Raw, table
from tests.stage import eventually

SAVE = "from tests.foo.models import Article\nfor title in {titles!r}: Article.objects.create(title=title)"


@pytest.fixture
def consuming(stage):
    stage.worker = stage.start("consume", "index")
    eventually(lambda: "consuming" in stage.worker.log.read_text())
    return stage


def save_and_relay(stage, *titles):
    stage.python(SAVE.format(titles=list(titles)))
    stage.manage("relay", "--once")


def test_missing_broker_is_waited_for_with_one_line(stage, late_broker):
    worker = stage.start("consume", "index", BROKER_URL=late_broker.url)
    eventually(lambda: "waiting for the broker" in worker.log.read_text())
    with pytest.raises(AssertionError):
        eventually(lambda: worker.poll() is not None, seconds=1.5)
    late_broker.open()
    eventually(lambda: "consuming" in worker.log.read_text())
    assert worker.log.read_text().count("waiting for the broker") == 1
    save_and_relay(stage, "one")
    eventually(lambda: stage.seen("index"))


def test_broker_that_goes_away_is_waited_for_and_what_was_sent_meanwhile_is_handled(stage, late_broker):
    late_broker.open()
    worker = stage.start("consume", "index", BROKER_URL=late_broker.url)
    eventually(lambda: "consuming" in worker.log.read_text())
    late_broker.close()
    eventually(lambda: "connection lost" in worker.log.read_text())
    save_and_relay(stage, "one")
    late_broker.open()
    eventually(lambda: stage.seen("index"))
    assert worker.poll() is None


def test_worker_ends_with_0_when_terminated_while_the_broker_is_away(stage, late_broker):
    worker = stage.start("consume", "index", BROKER_URL=late_broker.url)
    eventually(lambda: "waiting for the broker" in worker.log.read_text())
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0


def test_worker_ends_with_78_when_the_password_is_wrong(stage):
    url = stage.env["BROKER_URL"].replace("guest@", "planted@")
    done = stage.manage("consume", "index", check=False, BROKER_URL=url)
    assert done.returncode == 78
    assert "planted" not in done.stdout + done.stderr


def test_worker_ends_with_78_when_its_queue_is_there_with_other_arguments(stage, queues):
    queues.channel.queue_declare(queues.name("index"), durable=True)
    done = stage.manage("consume", "index", check=False)
    assert done.returncode == 78
    assert f"for queue '{queues.name('index')}' in vhost" in done.stderr
    queues.delete("index")


def test_worker_ends_with_2_when_there_is_no_such_handler(stage):
    done = stage.manage("consume", "indx", check=False)
    assert done.returncode == 2
    assert "index" in done.stderr


def test_queue_is_declared_again_when_it_was_deleted(consuming, queues):
    queues.delete("index")
    eventually(lambda: consuming.worker.log.read_text().count("consuming") == 2)
    save_and_relay(consuming, "one")
    eventually(lambda: consuming.seen("index"))
    assert consuming.worker.poll() is None


class Crafted(pika.BasicProperties):
    """One header whose value is of a kind that pika reads and does not write: nine bytes, the first is the kind."""

    WHEN = datetime(2026, 1, 1, tzinfo=UTC)

    def __init__(self, value):
        super().__init__(headers={"crafted": self.WHEN})
        self.value = value

    def encode(self):
        placeholder = struct.pack(">cQ", b"T", int(self.WHEN.timestamp()))
        encoded = b"".join(super().encode())
        assert encoded.count(placeholder) == 1
        return [encoded.replace(placeholder, self.value)]


HOSTILE = (
    pika.BasicProperties(headers={"x": "y" * 120_000}),
    pika.BasicProperties(headers={"x-attempt": "many", "x-due-at": -5, "x-routing-key": 7, "x-death": "no"}),
    pika.BasicProperties(headers={"x-attempt": 2**62, "x-first-failed-at": "\U0001f4ee" * 300}),
    pika.BasicProperties(headers={"deep": [[[[{"a": None, "b": b"\xff"}]]]]}, timestamp=2**63),
    Crafted(struct.pack(">cd", b"d", 1.5)),
    # A decimal, and a second header without a value.
    Crafted(b"D\x05\x00\x00\x00\x01\x01xV"),
)


def test_stranger_harms_nobody_else_when_the_headers_are_hostile(consuming, queues):
    for properties in HOSTILE:
        queues.channel.basic_publish(queues.exchange, "db.post_save.foo.article", b"not json", properties)
    save_and_relay(consuming, "good")
    eventually(lambda: consuming.seen("index"))
    eventually(lambda: queues.count("index") == 0)
    assert eventually(lambda: queues.count("index.dead") == len(HOSTILE))
    assert {letter.headers["x-reason"] for letter in queues.peek("index.dead")} == {"malformed"}
    assert consuming.worker.poll() is None
    assert "connection lost" not in consuming.worker.log.read_text()


def test_message_is_not_hidden_when_a_stranger_says_that_it_is_due_in_ages(consuming, queues):
    queues.publish("db.post_save.foo.article", b"no event", headers={"x-due-at": 2**62})
    assert eventually(lambda: queues.count("index.dead") == 1)


def nested(depth):
    inside = b"\x01aV"
    for _ in range(depth):
        inside = b"\x01aF" + struct.pack(">L", len(inside)) + inside
    return inside


# The broker takes these, and pika loses the connection over them, before anybody has seen the message.
UNREADABLE = (
    Raw(table(struct.pack(">3sQ", b"\x01aT", 2**62))),
    Raw(table(nested(15_000))),
    Raw(struct.pack(">HB", pika.BasicProperties.FLAG_MESSAGE_ID, 2) + b"\xff\xfe"),
)


def test_neighbours_are_untouched_when_a_strangers_headers_cannot_be_read(stage, queues):
    stage.manage("topology", "--declare")
    key = "db.post_save.foo.article"
    save_and_relay(stage, *(f"good {number}" for number in range(len(UNREADABLE))))
    for number, (good, properties) in enumerate(zip(queues.take("index"), UNREADABLE, strict=True)):
        queues.channel.basic_publish(queues.exchange, key, good.body, good.properties)
        # The event in it is a good one: nobody knows what else the stranger meant.
        queues.channel.basic_publish(queues.exchange, key, queues.body({}, id=f"bad {number}"), properties)
    queues.channel.basic_publish(queues.exchange, b"\xff\xfe", b"no key", pika.BasicProperties(message_id="1"))
    worker = stage.start("consume", "index")
    assert eventually(lambda: queues.count("index.dead") == len(UNREADABLE))
    eventually(lambda: len(stage.seen("index")) == len(UNREADABLE))
    assert queues.count("index") == 0
    letters = queues.peek("index.dead")
    assert {letter.headers["x-reason"] for letter in letters} == {"malformed"}
    assert all("properties cannot be read" in letter.headers["x-unreadable"] for letter in letters)
    assert {letter.headers["x-attempts"] for letter in letters} == {1}
    assert "connection lost" not in worker.log.read_text()


@pytest.mark.parametrize(
    "headers",
    [{"x-attempt": 2**63 - 1}, {"x-routing-key": "k" * 130_900}, {"x-first-failed-at": "t" * 130_900}],
    ids=["attempt", "key", "moment"],
)
def test_stranger_is_a_dead_letter_with_its_reason_when_its_headers_are_more_than_a_copy_can_hold(
    stage, queues, headers
):
    stage.manage("topology", "--declare")
    queues.publish("db.post_save.foo.article", b"no event", headers=headers)
    worker = stage.start("consume", "index")
    assert eventually(lambda: queues.count("index.dead") == 1)
    assert [letter.headers["x-reason"] for letter in queues.peek("index.dead")] == ["malformed"]
    assert "connection lost" not in worker.log.read_text()


def test_collections_pass_over_what_was_loaded_before_as_long_as_the_worker_works(monkeypatch):
    frozen = []

    def session(worker):
        frozen.append(gc.get_freeze_count())
        return True

    monkeypatch.setattr(Worker, "_session", session)
    Worker([], Settings(), Flag()).run()
    assert frozen[0] > 10_000
    assert gc.get_freeze_count() == 0


def test_grace_period_is_one_for_all_that_is_waited_for():
    worker = Worker([], Settings(grace_seconds=5.0), Flag())
    first = worker.grace_left()
    time.sleep(0.05)
    assert 4.0 < worker.grace_left() < first <= 5.0
    worker.loop.close()


def test_queue_is_not_taken_for_empty_when_an_event_comes_while_the_broker_counts():
    session = object.__new__(Session)
    session.intake = SimpleNamespace(unacked={})
    session.subscriptions = {"queue": None}
    session.inward = SimpleNamespace(count_messages=lambda queue: session.intake.unacked.update({1: None}) or 0)
    assert not session._is_empty()
