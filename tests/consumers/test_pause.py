"""A subscription whose attempts nearly all failed is paused, and goes on: a worker as a process, with short pauses."""

import signal
import time

import pytest

from tests.stage import eventually

CONSUME = """
import sys, django
django.setup()
import consumers.worker.session
from django.core.management import execute_from_command_line
consumers.worker.session.PAUSE_SECONDS = 1.5
execute_from_command_line(["manage.py", "consume", *sys.argv[1:]])
"""


@pytest.fixture
def pausing(stage):
    """A stage with the faulty handlers declared; `consume` starts a worker of some of them."""
    stage.env |= {"TEST_HANDLERS": "tests.bar.faulty", "TEST_NOTES": str(stage.folder / "notes")}
    stage.manage("topology", "--declare")
    stage.consume = lambda *arguments: stage.start("-c", CONSUME, *arguments)
    return stage


def test_events_of_an_ordered_handler_are_tried_again_when_its_pause_is_over(pausing, queues):
    for n in range(30):
        queues.event("t.ordered", {"n": n, "failures": 1}, partitionkey=str(n))
    worker = pausing.consume("ordered")
    eventually(lambda: "paused queue" in worker.log.read_text())
    eventually(lambda: len(pausing.seen("ordered")) == 30)
    assert "resumed queue" in worker.log.read_text()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0


def test_events_that_were_taken_ahead_wait_for_the_end_of_the_pause(pausing, queues):
    for n in range(200):
        queues.event("t.flaky", {"n": n, "failures": 9})
    worker = pausing.consume("flaky", "--threads", "1")
    eventually(lambda: "paused queue" in worker.log.read_text())
    began = worker.log.read_text().count("failed event=")
    time.sleep(0.5)
    assert worker.log.read_text().count("failed event=") <= began + 5
    eventually(lambda: "resumed queue" in worker.log.read_text())
    eventually(lambda: worker.log.read_text().count("failed event=") > began + 10)


@pytest.mark.parametrize("engine", ["postgres"])  # SQLite has one writer at a time
def test_no_more_is_called_than_its_concurrency_when_a_call_from_before_the_pause_goes_on(pausing, queues):
    queues.event("t.few", {"seconds": 6})
    for _ in range(20):
        queues.event("t.few", {"fails": True})
    worker = pausing.consume("few", "--threads", "8")
    eventually(lambda: "paused queue" in worker.log.read_text())
    for _ in range(6):
        queues.event("t.few", {"seconds": 0.5})
    eventually(lambda: len(pausing.seen("few")) == 7, seconds=30)
    assert "resumed queue" in worker.log.read_text()
    assert {calls for _, calls, _ in pausing.seen("few")} == {"1", "2"}


def test_pause_that_is_over_while_the_worker_ends_takes_nothing_more(pausing, queues):
    queues.event("t.free", {"n": 1, "seconds": 5})
    for n in range(30):
        queues.event("t.flaky", {"n": n, "failures": 3})
    worker = pausing.consume("free", "flaky")
    eventually(lambda: "paused queue" in worker.log.read_text())
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 0
    assert [text for _, text, _ in pausing.seen("free")] == ["1"]
    assert "resumed queue" not in worker.log.read_text()


def test_pause_goes_on_when_the_connection_is_lost_meanwhile(pausing, queues, late_broker):
    late_broker.open()
    worker = pausing.start("consume", "typed", "plain", BROKER_URL=late_broker.url)
    eventually(lambda: "consuming" in worker.log.read_text())
    for n in range(25):
        queues.event("t.typed", {"n": n})
    eventually(lambda: "paused queue" in worker.log.read_text())
    late_broker.close()
    eventually(lambda: "connection lost" in worker.log.read_text())
    queues.event("t.typed", {"n": 25})
    queues.event("t.plain", {"n": 1})
    late_broker.open()
    eventually(lambda: [text for _, text, _ in pausing.seen("plain")] == ["1"])
    with pytest.raises(AssertionError):
        eventually(lambda: queues.count("typed") == 0, seconds=2)
    assert "resumed queue" not in worker.log.read_text()
