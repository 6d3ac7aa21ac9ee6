"""When it is not worth asking."""

from publisher.fuse import BLOWS_AFTER, LONGEST_PAUSE_SECONDS, Fuse
from publisher.wire.topology import LONGEST_ASK_SECONDS


def blown(at=0.0):
    fuse = Fuse()
    blew = [fuse.record(False, at, asked_at=at) for _ in range(BLOWS_AFTER)]
    assert blew == [False] * (BLOWS_AFTER - 1) + [True]
    return fuse


def test_it_holds_while_some_are_answered():
    fuse = Fuse()
    for n in range(100):
        fuse.record(n % BLOWS_AFTER == 0, n, asked_at=n)
        assert fuse.allows(n)


def test_it_blows_once_after_so_many_failures_and_lets_nothing_through():
    fuse = blown()
    assert not fuse.allows(0.9)
    assert not fuse.record(False, 0.9, asked_at=-1.0), "one that had been asked before"


def test_one_question_is_let_through_after_the_pause():
    fuse = blown()
    assert [fuse.allows(1.5), fuse.allows(1.5), fuse.allows(1.6)] == [True, False, False]
    fuse.record(True, 1.7, asked_at=1.5)
    assert fuse.allows(1.7)
    assert fuse.allows(1.7)


def test_pause_is_longer_each_time_up_to_a_limit():
    fuse, now, pauses = blown(), 0.0, []
    for _ in range(8):
        began = now
        while not fuse.allows(now):
            now += 0.25
        fuse.record(False, now, asked_at=now)
        pauses.append(now - began)
    assert pauses[:3] == [1.0, 2.0, 4.0]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def test_no_other_question_is_let_through_when_one_is_still_waiting():
    fuse = blown()
    assert fuse.allows(1.5)
    assert not any(fuse.allows(now) for now in (2.5, 10, 1.5 + LONGEST_ASK_SECONDS))
    fuse.record(False, 61.6, asked_at=1.5)
    assert [fuse.allows(63.5), fuse.allows(63.6)] == [False, True]


def test_question_that_was_let_through_and_never_came_back_does_not_hold_up_others_for_ever():
    fuse = blown()
    assert fuse.allows(1.5)
    assert fuse.allows(1.5 + LONGEST_ASK_SECONDS + 1)


def test_pause_is_no_longer_when_a_question_from_before_it_fails_during_the_trial():
    fuse = blown()
    assert fuse.allows(1.0)
    fuse.record(False, 1.5, asked_at=-3.0)
    assert not fuse.allows(4.0), "the trial is still waiting"
    fuse.record(False, 5.0, asked_at=1.0)
    assert [fuse.allows(6.9), fuse.allows(7.0)] == [False, True]


def test_questions_that_were_under_way_when_it_blew_make_the_pause_no_longer():
    fuse = blown()
    for _ in range(20):
        fuse.record(False, 0.5, asked_at=0.0)
    assert fuse.allows(1.0)
    fuse.record(False, 1.1, asked_at=1.0)
    for _ in range(20):
        fuse.record(False, 1.2, asked_at=0.0)
    assert not fuse.allows(3.0)
    assert fuse.allows(3.1)
