"""Handlers that run longer than the broker waits for an acknowledgement."""

import signal
import time
from contextlib import closing

import pytest

from tests.queues import Queues
from tests.stage import eventually


@pytest.mark.parametrize("engine", ["postgres"])  # SQLite has one writer at a time
def test_handler_that_outlasts_the_brokers_patience_is_called_once(stage, names, strict_node):
    """With or without an inbox, and beside others that go on."""
    stage.env |= {"BROKER_URL": strict_node.url, "TEST_HANDLERS": "tests.bar.faulty"}
    stage.env["TEST_NOTES"] = str(stage.folder / "notes")
    worker = stage.start("consume", "long", "free", "plain")
    eventually(lambda: "consuming" in worker.log.read_text())
    queues = Queues(strict_node.url, names)
    # Of one event there are two copies, as after the death of a relay.
    for handler, id in (("long", "same"), ("long", "same"), ("free", None)):
        queues.event(f"t.{handler}", {"n": 1, "seconds": 8}, id=id)
    eventually(lambda: "connection lost" in worker.log.read_text() or worker.poll() is not None)
    assert "taking 1 event a thread ahead from now on" in worker.log.read_text()
    queues.event("t.plain", {"n": 2})
    eventually(lambda: [text for _, text, _ in stage.seen("plain")] == ["2"])
    assert stage.seen("long") == stage.seen("free") == []
    eventually(lambda: len(stage.seen("long")) == len(stage.seen("free")) == 1)
    worker.terminate()
    assert worker.wait(15) == 0, worker.log.read_text()
    assert sorted((stage.folder / "notes").read_text().split()) == ["free", "long"]
    assert [queues.count(name) for name in ("long", "long.dead", "free", "free.dead")] == [0, 0, 0, 0]
    queues.close()


def test_ordered_event_that_waits_longer_than_the_brokers_patience_has_its_next_attempt_then(stage, names, strict_node):
    stage.env |= {"BROKER_URL": strict_node.url, "TEST_HANDLERS": "tests.bar.faulty"}
    notes = stage.folder / "notes"
    stage.env["TEST_NOTES"] = str(notes)
    worker = stage.start("consume", "ordered", "--prefetch", "9")
    eventually(lambda: "consuming" in worker.log.read_text())
    with closing(Queues(strict_node.url, names)) as queues:
        queues.event("t.ordered", {"n": 1, "failures": 1, "after": 5}, partitionkey="a")
        queues.event("t.ordered", {"n": 2}, partitionkey="a")
        eventually(lambda: worker.log.read_text().count("consuming") > 1)
        time.sleep(1)
        assert notes.read_text().split("\n")[:-1] == ["ordered a 1"]
        eventually(lambda: [text for _, text, _ in stage.seen("ordered")] == ["a 1", "a 2"])
        assert queues.count("ordered.dead") == 0
    assert "give a smaller --prefetch than 9" in worker.log.read_text()


def test_handler_has_its_time_to_end_when_the_broker_lets_its_worker_in_no_more(stage, names, strict_node):
    strict_node.ctl("add_user", "leaver", "demo")
    strict_node.ctl("set_permissions", "leaver", ".*", ".*", ".*")
    url = strict_node.url.replace("//guest:guest@", "//leaver:demo@")
    stage.env |= {"BROKER_URL": url, "TEST_HANDLERS": "tests.bar.faulty"}
    stage.env["TEST_NOTES"] = str(stage.folder / "notes")
    worker = stage.start("consume", "long")
    eventually(lambda: "consuming" in worker.log.read_text())
    with closing(Queues(strict_node.url, names)) as queues:
        queues.event("t.long", {"n": 1, "seconds": 2})
        eventually((stage.folder / "notes").exists)
        # Whose connections are closed, and refused from then on.
        strict_node.ctl("change_password", "leaver", "planted")
        strict_node.ctl("close_all_user_connections", "leaver", "gone")
        assert worker.wait(20) == 78, worker.log.read_text()
    assert [text for _, text, _ in stage.seen("long")] == ["1"]


@pytest.mark.parametrize("engine", ["postgres"])
def test_process_that_is_frozen_keeps_no_thread_of_another_one_waiting(stage, queues):
    notes = stage.folder / "notes"
    stage.env |= {"TEST_HANDLERS": "tests.bar.faulty", "TEST_NOTES": str(notes)}
    # The broker gives up a connection from which nothing comes for so long.
    frozen = stage.start("consume", "long", "--threads", "2", BROKER_URL=f"{stage.env['BROKER_URL']}?heartbeat=1")
    eventually(lambda: "consuming" in frozen.log.read_text())
    for n in range(2):
        queues.event("t.long", {"n": n, "seconds": 3})
    eventually(lambda: notes.exists() and len(notes.read_text().split()) == 2)
    frozen.send_signal(signal.SIGSTOP)
    other = stage.start("consume", "long", "plain", "--threads", "2")
    eventually(lambda: other.log.read_text().count("it is being handled already") >= 2)
    queues.event("t.plain", {"n": 7})
    eventually(lambda: [text for _, text, _ in stage.seen("plain")] == ["7"], 5)
    frozen.send_signal(signal.SIGCONT)
    # It goes on where it was, and the other one finds that all is done.
    eventually(lambda: sorted(text for _, text, _ in stage.seen("long")) == ["0", "1"])
    eventually(lambda: "handled before" in other.log.read_text())
    for each in (frozen, other):
        each.terminate()
        assert each.wait(15) == 0, each.log.read_text()
    assert [queues.count(name) for name in ("long", "long.dead")] == [0, 0]
    assert len(stage.seen("long")) == 2
