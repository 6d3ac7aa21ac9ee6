"""A worker under development, while its handlers are written."""

import signal
import time
from contextlib import suppress

import psutil
import pytest

from publisher.wire.stopping import SAME_WISH_SECONDS
from tests.stage import eventually

HANDLERS = """
import time
from concurrent.futures import ThreadPoolExecutor
from consumers import subscribe
from tests.bar.consumers import see

@subscribe("t.reloaded")
def reloaded(event):
    if event.data["n"] == "endless":
        print("endless begins", flush=True)
        time.sleep(60)
    if event.data["n"] == "lingers":
        ThreadPoolExecutor().submit(time.sleep, 60)
    see({text!r}, event.data["n"])
"""


@pytest.fixture
def reloading(stage):
    """A stage with a worker that reloads; `change` writes its handlers until something is so."""
    stage.env |= {"TEST_HANDLERS": "reloaded_handlers", "PYTHONPATH": str(stage.folder)}

    def change(text, is_so):
        for _ in range(6):
            # Django's reloader does not notice what changes within a second of its import.
            (stage.folder / "reloaded_handlers.py").write_text(text)
            with suppress(AssertionError):
                return eventually(is_so, seconds=5)
        raise AssertionError(stage.worker.log.read_text())

    stage.change = change
    (stage.folder / "reloaded_handlers.py").write_text(HANDLERS.format(text="first"))
    stage.worker = stage.start("consume", "reloaded", "--reload", "--grace", "4")
    eventually(lambda: "consuming" in stage.worker.log.read_text())
    return stage


def test_worker_starts_again_when_a_handler_changes_and_waits_while_it_is_broken(reloading, queues):
    queues.event("t.reloaded", {"n": 1})
    eventually(lambda: reloading.seen("first"))
    reloading.change("def (", lambda: "SyntaxError" in reloading.worker.log.read_text())
    queues.event("t.reloaded", {"n": 2})
    reloading.change(HANDLERS.format(text="second"), lambda: reloading.seen("second"))
    reloading.worker.send_signal(signal.SIGTERM)
    assert reloading.worker.wait(15) == 0, reloading.worker.log.read_text()
    assert [(handler, text) for handler, text, _ in reloading.seen()] == [("first", "1"), ("second", "2")]
    assert queues.count("reloaded") == 0


def test_second_signal_leaves_no_child_whose_handler_runs(reloading, queues):
    queues.event("t.reloaded", {"n": "endless"})
    eventually(lambda: "endless begins" in reloading.worker.log.read_text())
    (child,) = psutil.Process(reloading.worker.pid).children()
    reloading.worker.send_signal(signal.SIGTERM)
    time.sleep(SAME_WISH_SECONDS + 0.2)  # the handler goes on within its grace
    reloading.worker.send_signal(signal.SIGTERM)
    assert reloading.worker.wait(5) == 128 + signal.SIGTERM
    child.wait(5)


def test_thread_that_a_handler_started_keeps_neither_a_change_nor_the_end_waiting(reloading, queues):
    queues.event("t.reloaded", {"n": "lingers"})
    eventually(lambda: reloading.seen("first"))
    reloading.change(HANDLERS.format(text="second"), lambda: "without threads" in reloading.worker.log.read_text())
    queues.event("t.reloaded", {"n": "lingers"})
    eventually(lambda: reloading.seen("second"))
    reloading.worker.send_signal(signal.SIGTERM)
    assert reloading.worker.wait(10) == 0


@pytest.mark.parametrize(
    "option",
    [("--processes", "2"), ("--until-empty",), ("--check",), ("--list",)],
    ids=["processes", "until-empty", "check", "list"],
)
def test_reload_is_refused_with_what_does_not_go_with_it(stage, option):
    done = stage.manage("consume", "--reload", *option, check=False)
    assert done.returncode == 2
    assert "--reload" in done.stderr
