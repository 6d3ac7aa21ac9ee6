"""Retry or dead letter, from the attempt and the exception alone; and the queues that a wait takes."""

from datetime import timedelta

import pytest

from consumers.delays import TIERS_SECONDS, is_due, tier_for
from consumers.exceptions import BatchFailed, NotBound, Reject, Retry
from consumers.retry import Again, Backoff, Bury, UnknownType, decide
from publisher.wire.errors import MalformedEvent

PATIENT = Backoff(delays=(1, 10), jitter=0, permanent=(KeyError,))


@pytest.mark.parametrize(
    ("attempt", "exc", "policy", "becomes"),
    [
        (1, ValueError(), PATIENT, Again(after=1)),
        (2, ValueError(), PATIENT, Again(after=10)),
        (3, ValueError(), PATIENT, Bury(reason="failed")),
        (99, ValueError(), PATIENT, Bury(reason="failed")),
        (1, ValueError(), Backoff(delays=()), Bury(reason="failed")),
        (1, KeyError(), PATIENT, Bury(reason="permanent")),
        (1, ValueError(), Backoff(transient=(OSError,)), Bury(reason="permanent")),
        (1, ValueError(), Backoff(permanent=ValueError), Bury(reason="permanent")),
        (1, ConnectionError(), Backoff(transient=(OSError,), jitter=0), Again(after=1)),
        (1, SystemExit(3), PATIENT, Again(after=1)),
        (1, Retry(), PATIENT, Again(after=1)),
        (1, Retry(after=7), PATIENT, Again(after=7)),
        (3, Retry(after=7), PATIENT, Bury(reason="failed")),
        (1, Retry(after=7), Backoff(transient=(OSError,)), Again(after=7)),
        (1, Reject("no"), PATIENT, Bury(reason="rejected")),
        # As an asyncio.TaskGroup raises what was raised in it.
        (1, ExceptionGroup("", [Reject("no")]), PATIENT, Bury(reason="rejected")),
        (1, ExceptionGroup("", [Reject("no"), ExceptionGroup("", [Reject("no")])]), PATIENT, Bury(reason="rejected")),
        (1, ExceptionGroup("", [Retry(after=7), Retry(), Retry(after=9)]), PATIENT, Again(after=9)),
        (1, ExceptionGroup("", [Reject("no"), Retry(after=7)]), PATIENT, Again(after=1)),
        (1, ExceptionGroup("", [Reject("no"), ValueError()]), PATIENT, Again(after=1)),
        (1, ExceptionGroup("", [ValueError()]), PATIENT, Again(after=1)),
        (1, MalformedEvent("no"), PATIENT, Bury(reason="malformed")),
        (1, UnknownType("no"), PATIENT, Bury(reason="unknown type")),
        (1, NotBound("no"), PATIENT, Bury(reason="not bound")),
    ],
    ids=repr,
)
def test_event_is_tried_again_or_buried(attempt, exc, policy, becomes):
    assert decide(attempt, exc, policy) == becomes


def test_delays_are_spread_by_their_jitter():
    spread = [decide(2, ValueError(), Backoff(delays=(1, 10), jitter=0.2)).after for _ in range(200)]
    assert 8 <= min(spread) < 9 < 11 < max(spread) <= 12


def test_default_is_five_attempts_over_ten_minutes():
    assert Backoff().attempts == 5
    assert sum(Backoff().delays) == 671


@pytest.mark.parametrize(
    "wrong",
    [{"delays": (-1,)}, {"delays": ("1",)}, {"delays": (float("inf"),)}, {"jitter": 2}, {"jitter": -0.1}],
    ids=repr,
)
def test_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="delays are seconds"):
        Backoff(**wrong)


@pytest.mark.parametrize("delays", [5, None], ids=repr)
def test_policy_is_refused_when_its_delays_are_no_tuple(delays):
    with pytest.raises(TypeError, match=rf"delays is a tuple of seconds, as in delays=\(5, 60\), not {delays}"):
        Backoff(delays=delays)


@pytest.mark.parametrize("kinds", [[KeyError], "KeyError", ("KeyError",), (KeyError(),), (int,)], ids=repr)
@pytest.mark.parametrize("name", ["permanent", "transient"])
def test_policy_is_refused_when_its_exceptions_cannot_be_compared_with(name, kinds):
    with pytest.raises(TypeError, match=f"{name} is a tuple of exceptions"):
        Backoff(**{name: kinds})


@pytest.mark.parametrize("after", [900, 900.0, timedelta(minutes=15)], ids=repr)
def test_retry_takes_seconds_or_a_timedelta(after):
    assert decide(1, Retry("later", after=after), PATIENT) == Again(after=900)


@pytest.mark.parametrize("after", ["900", -1, float("inf"), float("nan"), timedelta(seconds=-1), 10**15], ids=repr)
def test_retry_is_refused_where_it_is_raised_when_its_pause_is_none(after):
    with pytest.raises(ValueError, match="after is a number of seconds, or a timedelta"):
        Retry("later", after=after)


@pytest.mark.parametrize("failures", [["1"], {"1": "bad"}, {1: ValueError()}, "1", None], ids=repr)
def test_report_of_a_batch_is_refused_when_it_does_not_say_what_failed(failures):
    with pytest.raises(TypeError, match="a mapping of event ids to exceptions"):
        BatchFailed(failures)


@pytest.mark.parametrize("seconds", [0.7, 1, 7, 12, 61, 599, 3600, 86_400])
def test_wait_goes_through_queues_that_do_not_outlast_it(seconds):
    left, hops = float(seconds), 0
    while not is_due(left, 0.0):
        tier = tier_for(left)
        assert tier <= max(left, TIERS_SECONDS[0])
        left -= tier
        hops += 1
    assert left > -1
    assert hops <= seconds / 600 + 25
