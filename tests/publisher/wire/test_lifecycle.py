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
from publisher.wire.lifecycle import stopping_on_signals

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
