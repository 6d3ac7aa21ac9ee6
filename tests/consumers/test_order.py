"""What keeps events of one key in line, what lets one call run alone, and how many are taken ahead."""

import threading
import time
from contextlib import contextmanager
from queue import SimpleQueue
from types import SimpleNamespace

import pytest

from consumers.handler import Handler
from consumers.worker import gate as gate_module
from consumers.worker.breaker import LEAST_ATTEMPTS, WINDOW_SECONDS, Breaker
from consumers.worker.gate import Gate
from consumers.worker.job import Job
from consumers.worker.lanes import Lanes
from consumers.worker.options import FEW_PER_THREAD, PREFETCH_PER_THREAD, Settings, prefetch
from consumers.worker.solitary import GATHER_SECONDS, LET_SECONDS, Solitary
from tests.stage import eventually


def test_lane_lets_one_of_a_key_go_and_the_next_in_its_turn():
    lanes = Lanes()
    assert lanes.enter("a", 1)
    assert not lanes.enter("a", 2)
    assert lanes.enter("b", 3)
    assert not lanes.enter("a", 4)
    assert [lanes.leave("a"), lanes.leave("b"), lanes.leave("a"), lanes.leave("a")] == [2, None, 4, None]
    assert lanes.enter("a", 5)


def test_lanes_give_back_what_waits():
    lanes = Lanes()
    for item in range(3):
        lanes.enter("a", item)
    assert lanes.clear() == [1, 2]
    assert lanes.enter("a", 3)


def test_gate_lets_nobody_run_beside_one_who_is_alone():
    gate, running, most, seen = Gate(), [], [], []

    @contextmanager
    def beside(thread):
        gate.enter(thread)
        try:
            yield
        finally:
            gate.leave(thread)

    @contextmanager
    def alone(thread):
        while True:
            with gate.alone() as is_alone:
                if is_alone:
                    yield
                    return

    def run(name, how):
        with how(threading.get_ident()):
            running.append(name)
            most.append(len(running))
            seen.append(name) if "alone" in running and len(running) > 1 else None
            time.sleep(0.005)
            running.remove(name)

    threads = [
        threading.Thread(target=run, args=("alone", alone) if n % 5 == 0 else ("beside", beside)) for n in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert seen == []
    assert max(most) > 1


@pytest.fixture
def wanting(monkeypatch):
    """A gate that one thread is inside of, and another wants to be alone in for so many seconds: what it was told."""

    def wanting(seconds):
        monkeypatch.setattr(gate_module, "HOLD_SECONDS", seconds)
        gate, told = Gate(), SimpleQueue()

        def run():
            with gate.alone() as is_alone:
                told.put(is_alone)

        gate.enter(1)
        threading.Thread(target=run, daemon=True).start()
        eventually(lambda: gate._is_held or not told.empty())
        return gate, told

    return wanting


def test_gate_lets_one_be_alone_as_soon_as_the_last_beside_has_left(wanting):
    gate, told = wanting(10)
    assert told.empty()
    gate.leave(1)
    assert told.get(timeout=5)
    eventually(lambda: not gate._is_held)


def test_gate_lets_others_begin_when_one_runs_on_for_hours(caplog, wanting):
    gate, told = wanting(0.05)
    began = time.monotonic()
    gate.enter(3)
    assert time.monotonic() - began < 5
    assert not told.get(timeout=5)
    assert "waits for handlers that run: 1" in caplog.text
    gate.leave(3)
    gate.leave(1)
    with gate.alone() as is_alone:
        assert is_alone


def test_gate_lets_others_begin_beside_one_that_is_alone_for_too_long(monkeypatch, caplog):
    monkeypatch.setattr("consumers.worker.gate.ALONE_SECONDS", 0.5)
    gate, began = Gate(), time.monotonic()

    def enter(thread):
        gate.enter(thread)
        gate.leave(thread)

    with gate.alone() as is_alone:
        assert is_alone
        others = [threading.Thread(target=enter, args=[n], daemon=True) for n in range(3)]
        for other in others:
            other.start()
        for other in others:
            other.join(5)
        assert not any(other.is_alive() for other in others)
        assert time.monotonic() - began >= 0.5
    assert caplog.text.count("others begin beside") == 1
    gate.enter(9)


def test_gate_keeps_no_second_one_waiting_when_one_wants_to_be_alone(wanting):
    gate, told = wanting(10)
    with gate.alone() as is_alone:
        assert not is_alone
    gate.leave(1)
    assert told.get(timeout=5)


@pytest.fixture
def jobs():
    return [Job(SimpleNamespace(), [n], []) for n in range(3)]


def test_solitary_ones_come_out_one_at_a_time_once_their_neighbours_are_there(jobs):
    solitary, out = Solitary(), []
    for job in jobs:
        solitary.add(job, 100.0)
    assert solitary.due(100.0, is_idle=True) is None
    now = 100.0 + GATHER_SECONDS
    while (job := solitary.due(now, is_idle=False)) is not None:
        solitary.begun(job)
        assert solitary.due(now + 1000, is_idle=True) is None
        solitary.ended(job)
        out.append(job)
    assert all(job.is_solitary for job in out)
    assert sorted(job.deliveries[0] for job in out) == [0, 1, 2]


def test_solitary_one_that_could_not_be_alone_is_offered_again_after_a_while(jobs):
    solitary = Solitary()
    solitary.add_again(jobs[0], 100.0)
    solitary.add(jobs[1], 100.0)
    assert solitary.due(99.0 + LET_SECONDS, is_idle=False) is None
    assert solitary.due(100.0 + LET_SECONDS, is_idle=False) is not None
    # As soon as nothing runs any more.
    assert solitary.due(99.0 + LET_SECONDS, is_idle=True) is not None


def test_solitary_ones_come_in_no_order():
    """Each has its turn before the one that ends its process."""
    firsts = set()
    for _ in range(200):
        solitary = Solitary()
        for n in range(3):
            solitary.add(Job(SimpleNamespace(), [n], []), 0.0)
        firsts.add(solitary.due(GATHER_SECONDS, is_idle=True).deliveries[0])
    assert firsts == {0, 1, 2}


def recorded(breaker, is_failed, now):
    breaker.ended(is_failed=is_failed)
    return breaker.opens(now)


def test_breaker_opens_when_nearly_all_of_enough_attempts_fail():
    breaker = Breaker(0.0)
    assert [recorded(breaker, True, float(n) / 10) for n in range(LEAST_ATTEMPTS)] == [False] * 19 + [True]
    assert not recorded(breaker, True, 2.1)


def test_breaker_stays_closed_when_a_good_part_succeeds():
    breaker = Breaker(0.0)
    assert not any(recorded(breaker, n % 5 > 0, float(n) / 100) for n in range(200))


def test_breaker_stays_closed_when_the_last_one_succeeds():
    breaker = Breaker(0.0)
    assert not any(recorded(breaker, True, 0.0) for _ in range(LEAST_ATTEMPTS - 1))
    breaker.opens(1.0)
    assert not recorded(breaker, False, 1.1)
    assert recorded(breaker, True, 1.2)


def test_breaker_forgets_what_was_long_ago():
    breaker = Breaker(0.0)
    assert not any(recorded(breaker, True, n * WINDOW_SECONDS / 10) for n in range(200))


def test_breaker_counts_many_attempts_that_ended_between_two_looks():
    breaker = Breaker(0.0)
    assert not breaker.opens(0.0)
    for _ in range(LEAST_ATTEMPTS):
        breaker.ended(is_failed=True)
    assert breaker.opens(0.1)
    assert not breaker.opens(0.2)


def test_breaker_that_is_looked_at_meanwhile_forgets_a_burst_of_long_ago():
    breaker = Breaker(0.0)
    for _ in range(LEAST_ATTEMPTS - 1):
        assert not recorded(breaker, True, 0.0)
    assert not any(breaker.opens(float(now)) for now in range(1, 2 + int(WINDOW_SECONDS)))
    assert not recorded(breaker, True, WINDOW_SECONDS + 2)


@pytest.mark.parametrize(
    ("handler", "asked", "was_late", "expected"),
    [
        ({}, None, False, 4 * PREFETCH_PER_THREAD),
        ({}, 7, True, 7),
        ({"ordered": True}, None, False, 4 * FEW_PER_THREAD),
        ({}, None, True, 4),
        ({"batch": 500}, None, False, 1000),
    ],
)
def test_what_is_taken_ahead_is_little_where_it_is_handed_over_or_waited_too_long(handler, asked, was_late, expected):
    made = Handler(function=print, name="h", patterns=("#",), **handler)
    assert prefetch(made, Settings(threads=4, prefetch=asked), was_late=was_late) == expected
