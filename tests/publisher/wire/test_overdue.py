"""What was sent long ago is overdue; what was sent lately, or is settled, is not."""

import time

import pytest

from publisher.wire.overdue import Overdue


@pytest.fixture
def pass_seconds(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def pass_seconds(seconds):
        now[0] += seconds

    return pass_seconds


def test_message_is_overdue_when_it_has_waited_since_the_last_look(pass_seconds):
    overdue = Overdue(10)
    assert not overdue.is_over(1, 5)
    pass_seconds(10)
    assert not overdue.is_over(1, 5), "they may have been sent a moment ago"
    pass_seconds(9)
    assert not overdue.is_over(1, 5)
    pass_seconds(1)
    assert overdue.is_over(5, 9)


def test_nothing_is_overdue_when_what_was_known_is_settled_or_forgiven(pass_seconds):
    overdue = Overdue(10)
    for oldest, newest in [(1, 5), (6, 9), (None, 9), (10, 12)]:
        pass_seconds(10)
        assert not overdue.is_over(oldest, newest)
    pass_seconds(10)
    overdue.forgive(12)
    assert not overdue.is_over(10, 12)
