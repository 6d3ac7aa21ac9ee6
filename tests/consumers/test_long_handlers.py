"""Handlers that run longer than the broker waits for an acknowledgement."""

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
