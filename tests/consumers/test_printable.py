"""What strangers wrote reaches neither a log nor a terminal with what steers it."""

import logging
from threading import Event as Flag
from types import SimpleNamespace

import pytest

from consumers.exceptions import Reject, Retry
from consumers.handler import Handler
from consumers.handling.handling import Handling
from consumers.handling.received import Received
from consumers.worker.job import Job
from consumers.worker.pool import Pool
from publisher.wire.event import Event, encode_event
from publisher.wire.printable import printable
from tests.stage import eventually

STEERING = "\x1b[2J\x07\u202e\u2028"
# Those that steer it, and none that is replaced by something else.
STEERS = set(STEERING) - set("[2J")


def raising(exc):
    def handle(event):
        raise exc

    return handle


@pytest.mark.parametrize(
    ("function", "word"),
    [(lambda event: None, "handled"), (raising(Retry()), "failed"), (raising(Reject()), "dead")],
    ids=["handled", "failed", "dead"],
)
def test_line_of_the_log_steers_nothing(caplog, function, word):
    caplog.set_level(logging.INFO)
    pool = Pool(1, lambda: None)
    event = Event(specversion="1.0", id=f"1\nERROR {STEERING}", source="/x", type=f"t\r{STEERING}")
    handler = Handler(name="h", function=function, patterns=("#",))
    delivery = SimpleNamespace(properties=SimpleNamespace(message_id=event.id), body=encode_event(event))
    received = Received(body=delivery.body, routing_key=f"a.{STEERING}")
    pool.put(Job(Handling(handler, "s.h", stop=Flag(), has_database=False), [delivery], [received]))
    eventually(lambda: word in caplog.text)
    pool.close(5)
    (message,) = [record.getMessage() for record in caplog.records if record.name == "consumers.worker"]
    assert not STEERS.intersection(message) | {"\n", "\r"}.intersection(message)


def test_text_that_steers_nothing_stays_as_it_is():
    assert printable("Grüße aus 東京, ☕ db.*.#") == "Grüße aus 東京, ☕ db.*.#"
    assert printable(f"a{STEERING}b") == "a\ufffd[2J\ufffd\ufffd\ufffdb"
