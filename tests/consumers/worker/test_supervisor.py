"""Several worker processes as one: how they are told to end, and that none of them supervises in its turn."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from consumers.worker.supervisor import Child
from publisher.wire.stopping import SAME_WISH_SECONDS
from tests.stage import ROOT, eventually

# The children are in its group, as below a terminal.
IN_A_GROUP = """
import os, sys
os.setpgid(0, 0)
os.execv(sys.executable, [sys.executable, "manage.py", *sys.argv[1:]])
"""
IMPATIENT = """
import sys, django
django.setup()
import consumers.worker.supervisor
from django.core.management import execute_from_command_line
consumers.worker.supervisor.OVERDUE_SECONDS = 2.0
execute_from_command_line(["manage.py", "consume", *sys.argv[1:]])
"""
SCRIPT = """
from consumers import run, subscribe

@subscribe("t.#")
def alone(event):
    pass

run(["--processes", "2"])
"""


def test_handlers_end_when_ctrl_c_tells_the_children_too(stage, queues):
    stage.env |= {"TEST_HANDLERS": "tests.bar.faulty", "TEST_NOTES": str(stage.folder / "notes")}
    supervisor = stage.start("-c", IN_A_GROUP, "consume", "free", "--processes", "2")
    eventually(lambda: supervisor.log.read_text().count("consuming") == 2)
    for n in range(4):
        queues.event("t.free", {"n": n, "seconds": 2})
    notes = stage.folder / "notes"
    eventually(lambda: notes.exists() and notes.read_text().count("free") == 4)
    os.killpg(supervisor.pid, signal.SIGINT)
    assert supervisor.wait(15) == 0
    assert sorted(text for _, text, _ in stage.seen("free")) == ["0", "1", "2", "3"]
    assert queues.count("free") == 0


def test_children_end_at_once_with_their_supervisor_at_a_second_signal(stage, queues):
    stage.env |= {"TEST_HANDLERS": "tests.bar.faulty", "TEST_NOTES": str(stage.folder / "notes")}
    supervisor = stage.start("consume", "free", "--processes", "2")
    eventually(lambda: supervisor.log.read_text().count("consuming") == 2)
    for n in range(2):
        queues.event("t.free", {"n": n, "seconds": 15})
    notes = stage.folder / "notes"
    eventually(lambda: notes.exists() and notes.read_text().count("free") == 2)
    pids = children(supervisor.pid)
    supervisor.terminate()
    time.sleep(SAME_WISH_SECONDS + 0.2)
    supervisor.terminate()
    assert supervisor.wait(5) == 128 + signal.SIGTERM
    eventually(lambda: not any(map(is_running, pids)), seconds=5)
    # What ran comes again.
    eventually(lambda: queues.count("free") == 2)


def test_supervisor_ends_without_a_child_that_is_frozen(stage):
    supervisor = stage.start("-c", IMPATIENT, "index", "--processes", "2", "--grace", "1")
    eventually(lambda: supervisor.log.read_text().count("consuming") == 2)
    frozen, _ = children(supervisor.pid)
    os.kill(frozen, signal.SIGSTOP)
    supervisor.terminate()
    try:
        assert supervisor.wait(15) == 0
        assert f"worker pid={frozen} did not end within its grace period: killed" in supervisor.log.read_text()
    finally:
        if is_running(frozen):
            os.kill(frozen, signal.SIGKILL)


def test_child_that_ended_well_is_started_again_unless_it_was_to_end_by_itself(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, "-c", ""])
    ended = Child(ends_by_itself=True), Child(ends_by_itself=False)
    for child in ended:
        assert child.process.wait(5) == 0
        child.tend(time.monotonic())
    assert [child.is_done for child in ended] == [True, False]
    assert [child.restart_at is None for child in ended] == [True, False]
    pid = ended[1].process.pid
    ended[1].tend(ended[1].restart_at)
    assert ended[1].process.pid != pid
    assert ended[1].process.wait(5) == 0


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def children(pid):
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def test_child_of_a_script_that_names_its_options_itself_supervises_nobody(tmp_path):
    path, log = tmp_path / "lonely.py", tmp_path / "log"
    path.write_text(SCRIPT)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "BROKER_URL": "amqp://127.0.0.1:1/"}
    del env["DJANGO_SETTINGS_MODULE"]
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, path], cwd=tmp_path, env=env, stderr=out, start_new_session=True)
    try:

        def grandchildren():
            return [pid for child in children(process.pid) for pid in children(child)]

        # Either: where they supervise in their turn, their number doubles about every second.
        eventually(lambda: grandchildren() or log.read_text().count("waiting for the broker") == 2)
        assert (len(children(process.pid)), grandchildren()) == (2, [])
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
