"""An event that ends its process where nothing counts its starts: what was taken ahead with it goes on all the same."""

import subprocess
import sys

import pytest

from tests.consumers.test_script import plain_environment
from tests.stage import eventually

NEIGHBOURS = 4
# Each neighbour has its turn before the one that ends the process in every second start.
STARTS = 25
SCRIPT = """
import os
from consumers import run, subscribe

@subscribe("t.#")
def alone(event):
    if event.data["n"] == 0:
        os._exit(9)
    print(event.data["n"], flush=True)

if __name__ == "__main__":
    run()
"""
# Stands for a body that is too large for the memory there is.
DECODING = """
import os, sys, django
django.setup()
from consumers.handling import received
from django.core.management import execute_from_command_line
decode = received.decode_event
def deadly(body, key):
    if b'"deadly"' in body:
        os._exit(9)
    return decode(body, key)
received.decode_event = deadly
execute_from_command_line(["manage.py", "consume", *sys.argv[1:]])
"""
HOLDING = """
import sys, django
django.setup()
import consumers.worker.gate
from django.core.management import execute_from_command_line
consumers.worker.gate.HOLD_SECONDS = 0.2
execute_from_command_line(["manage.py", "consume", *sys.argv[1:]])
"""


def started_until(is_done, start):
    """Starts it again each time that it ends, as a supervisor does."""
    for _ in range(STARTS):
        process = start()
        eventually(lambda process=process: process.poll() is not None or is_done())
        if is_done():
            process.terminate()
            process.wait(10)
            return
    raise AssertionError(f"not within {STARTS} starts")


def test_neighbours_are_handled_when_an_event_ends_the_process_of_a_script(tmp_path, queues, broker_url):
    path, out = tmp_path / "lonely.py", tmp_path / "out"
    path.write_text(SCRIPT)
    env = plain_environment(BROKER_URL=broker_url, EXCHANGE=queues.exchange, SERVICE=queues.service)

    def start(*options):
        command = [sys.executable, path, "--threads", "1", *options]
        with out.open("a") as log, (tmp_path / "err").open("a") as err:
            return subprocess.Popen(command, cwd=tmp_path, env=env, stdout=log, stderr=err)

    assert start("--until-empty").wait(20) == 0
    try:
        for n in range(NEIGHBOURS + 1):
            queues.event("t.x", {"n": n})
        queues.come_back("alone", 10)
        started_until(lambda: len(out.read_text().split()) >= NEIGHBOURS, start)
        assert sorted(map(int, out.read_text().split())) == list(range(1, NEIGHBOURS + 1))
        assert eventually(lambda: queues.count("alone") == 1)
    finally:
        for name in ("alone", "alone.dead"):
            queues.delete(name)


def test_neighbours_are_handled_when_an_event_ends_the_process_before_its_start_is_noted(stage, queues):
    stage.env |= {"TEST_HANDLERS": "tests.bar.faulty", "TEST_NOTES": str(stage.folder / "notes")}
    stage.manage("topology", "--declare")
    queues.event("t.plain", "deadly")
    for n in range(NEIGHBOURS):
        queues.event("t.plain", {"n": n})
    queues.come_back("plain", 10)
    started_until(
        lambda: len(stage.seen("plain")) == NEIGHBOURS,
        lambda: stage.start("-c", DECODING, "plain", "--threads", "1"),
    )
    assert queues.count("plain.dead") == 0


def test_event_that_came_back_often_is_called_beside_nobody(stage, queues):
    stage.env |= {"TEST_HANDLERS": "tests.bar.faulty", "TEST_NOTES": str(stage.folder / "notes")}
    stage.manage("topology", "--declare")
    for n in range(2):
        queues.event("t.free", {"n": n, "seconds": 1})
    queues.come_back("free", 10)
    worker = stage.start("consume", "free", "--threads", "3")
    eventually(lambda: "consuming" in worker.log.read_text())
    # Not even beside what came later, and is new.
    eventually(lambda: (stage.folder / "notes").exists())
    queues.event("t.free", {"n": 2, "seconds": 0})
    eventually(lambda: len(stage.seen("free")) == 3)
    assert stage.seen("free")[0][1] != "2"


START = """
from consumers.querysets import attempts
from publisher.wire.event import decode_event
for body in {bodies!r}:
    attempts("default").begin({queue!r}, decode_event(body, "t.plain"))
"""


@pytest.mark.parametrize("engine", ["postgres"])
def test_others_have_their_threads_while_events_that_are_to_be_alone_wait_for_a_long_call(stage, queues):
    stage.env |= {"TEST_HANDLERS": "tests.bar.faulty", "TEST_NOTES": str(stage.folder / "notes")}
    stage.manage("topology", "--declare")
    # Processes died of these, as far as anybody knows.
    bodies = [queues.body({"n": n}, id=f"dangerous {n}") for n in range(3)]
    stage.python(START.format(bodies=bodies, queue=queues.name("plain")))
    for body in bodies:
        queues.publish("t.plain", body)
    queues.come_back("plain", 1)
    queues.event("t.long", {"n": 1, "seconds": 8})
    notes = stage.folder / "notes"
    worker = stage.start("-c", HOLDING, "long", "plain", "--threads", "3")
    eventually(notes.exists)
    eventually(lambda: "waits for handlers that run" in worker.log.read_text())
    queues.event("t.plain", {"n": 7})
    eventually(lambda: stage.seen("plain"), 4)
    assert [text for _, text, _ in stage.seen()] == ["7"]
