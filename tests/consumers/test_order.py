"""What keeps events of one key in line, what lets one call run alone, and how many are taken ahead."""

import threading
import time

import pytest

from consumers.breaker import LEAST_ATTEMPTS, WINDOW_SECONDS, Breaker
from consumers.gate import Gate
from consumers.lanes import Lanes
from consumers.options import FEW_PER_THREAD, PREFETCH_PER_THREAD, Settings, prefetch
from consumers.registry import Handler


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

    def run(name, how):
        with how():
            running.append(name)
            most.append(len(running))
            seen.append(name) if "alone" in running and len(running) > 1 else None
            time.sleep(0.005)
            running.remove(name)

    threads = [
        threading.Thread(target=run, args=("alone", gate.alone) if n % 5 == 0 else ("beside", gate.beside_others))
        for n in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert seen == []
    assert max(most) > 1


def test_breaker_opens_when_nearly_all_of_enough_attempts_fail():
    breaker = Breaker()
    assert [breaker.record(True, float(n) / 10) for n in range(LEAST_ATTEMPTS)] == [False] * 19 + [True]
    assert not breaker.record(True, 2.1)


def test_breaker_stays_closed_when_a_good_part_succeeds():
    breaker = Breaker()
    assert not any(breaker.record(n % 5 > 0, float(n) / 100) for n in range(200))


def test_breaker_forgets_what_was_long_ago():
    breaker = Breaker()
    assert not any(breaker.record(True, n * WINDOW_SECONDS / 10) for n in range(200))


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
