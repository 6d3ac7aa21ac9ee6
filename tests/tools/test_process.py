"""Processes, and the pids they leave to others."""

import os
import signal
import subprocess
import time
from dataclasses import replace

import pytest

from tools.process import Launch, Process, start, wait_until


@pytest.fixture
def sleeper(tmp_path):
    pid = start(Launch(command=["sleep", "60"], env=dict(os.environ)), log=tmp_path / "log")
    process = Process.of(pid)
    yield process
    process.kill()


def test_started_process_is_in_a_session_of_its_own_when_the_terminal_interrupts(sleeper):
    assert os.getsid(sleeper.pid) != os.getsid(0)


def test_process_is_taken_for_gone_when_its_pid_was_recycled(sleeper):
    assert sleeper.is_alive
    assert not replace(sleeper, began=sleeper.began - 60).is_alive


def test_send_leaves_the_stranger_alone_when_the_pid_was_recycled(sleeper):
    replace(sleeper, began=sleeper.began - 60).send(signal.SIGKILL)

    time.sleep(0.1)
    assert sleeper.is_alive


def test_process_is_taken_for_gone_when_nobody_collected_it():
    child = subprocess.Popen(["true"])
    process = Process.of(child.pid)

    assert wait_until(lambda: not process.is_alive, timeout_seconds=5)
    child.wait()


def test_end_insists_when_the_signal_is_ignored(tmp_path):
    deaf = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]
    process = Process.of(start(Launch(command=deaf, env=dict(os.environ)), log=tmp_path / "log"))
    time.sleep(0.2)

    process.end(signal.SIGTERM, grace_seconds=0.3)

    assert not process.is_alive


def test_log_has_the_output_when_the_process_writes_some(tmp_path):
    log = tmp_path / "log"
    start(Launch(command=["sh", "-c", "echo out; echo err >&2"], env=dict(os.environ)), log=log)

    assert wait_until(lambda: log.read_text().split() == ["out", "err"], timeout_seconds=5)
