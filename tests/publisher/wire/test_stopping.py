"""How a process ends on signals: in good order, or at once when it is told again."""

import signal
import subprocess
import sys
import time

import pytest

from tests.stage import ROOT

PROCESS = """
import sys, time
from threading import Event as Flag
from publisher.wire.stopping import stopping_on_signals

stop = Flag()
with stopping_on_signals(stop, same_wish_seconds=float(sys.argv[1])):
    print("waits", flush=True)
    stop.wait()
    print("stops", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def stopping():
    """Starts a process that takes so long to end, and tells it to."""
    started = []

    def start(same_wish_seconds, takes_seconds):
        command = [sys.executable, "-c", PROCESS, str(same_wish_seconds), str(takes_seconds)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "waits\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "stops\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_process_ends_in_its_time_after_one_signal(stopping):
    assert stopping(0, 0.2).wait(5) == 0


def test_process_ends_at_once_after_a_second_signal(stopping):
    process = stopping(0, 30)
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 128 + signal.SIGTERM


def test_process_ends_in_its_time_when_the_second_signal_says_the_same_again(stopping):
    process = stopping(30, 0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0


def test_process_ends_at_once_after_a_signal_that_comes_later(stopping):
    process = stopping(0.2, 30)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 128 + signal.SIGTERM


def test_process_ends_when_the_signal_comes_in_the_middle_of_a_wait():
    """Whoever waits holds the lock, for a moment, that setting the flag takes."""
    for _ in range(4):
        code = PROCESS.replace("    stop.wait()", "    while not stop.wait(0): pass")
        process = subprocess.Popen([sys.executable, "-c", code, "0", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout.readline() == "waits\n"
            time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            assert process.wait(5) == 0
        finally:
            process.kill()
            process.communicate()


# Python gives signals their default action back before it takes its modules apart.
LATE = """
import os, signal
from publisher.wire.stopping import end_from_the_start

class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGTERM):
        kill(pid, number)

late = Late()
"""


def test_process_ends_in_good_order_when_it_is_told_in_its_last_moments_for_the_first_time():
    """As `relay --once`, which has done its work by then."""
    code = f"{LATE}end_from_the_start()\n{PROCESS.replace('stop.wait()', 'pass')}"
    done = subprocess.run([sys.executable, "-c", code, "0", "0"], cwd=ROOT, capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stdout) == (0, "waits\nstops\n")


def test_process_ends_in_good_order_when_it_is_told_again_in_its_last_moments():
    process = subprocess.Popen(
        [sys.executable, "-c", f"{LATE}{PROCESS}", "30", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "waits\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    process.stdout.close()


TOLD_IN_A_CALLBACK = """
import os, signal
from publisher.wire.stopping import end_before_it_begins

signal.signal(signal.SIGTERM, end_before_it_begins)

class Told:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)

Told()
print("goes on", flush=True)
"""


def test_process_ends_when_it_was_told_in_a_callback_before_it_began():
    """What is raised there is ignored."""
    code = f"{TOLD_IN_A_CALLBACK}{PROCESS}"
    done = subprocess.run([sys.executable, "-c", code, "0", "0"], cwd=ROOT, capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stdout) == (0, "goes on\nwaits\nstops\n")
    assert "SystemExit" in done.stderr


def test_second_signal_says_the_same_again_when_the_first_one_came_before_it_began():
    again = "    os.kill(os.getpid(), signal.SIGTERM)\n"
    code = f"{TOLD_IN_A_CALLBACK}{PROCESS}{again}"
    done = subprocess.run([sys.executable, "-c", code, "30", "0"], cwd=ROOT, capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stdout) == (0, "goes on\nwaits\nstops\n")
