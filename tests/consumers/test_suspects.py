"""An event that was given out before may have killed its process: its starts are counted, and innocence is assumed."""

from threading import Event as Flag

import pytest

from consumers.exceptions import BatchFailed
from consumers.handling import Handling
from consumers.models import Attempt, InboxEvent
from consumers.querysets import attempts
from consumers.received import Received
from consumers.registry import Handler
from consumers.results import Dangerous, Dead, Failed, Handled
from consumers.retry import Backoff
from publisher.wire.event import decode_event

pytestmark = pytest.mark.django_db(transaction=True)

EVENT = b'{"specversion":"1.0","id":"e1","source":"/x","type":"t"}'
AGAIN = Received(body=EVENT, routing_key="a", is_suspect=True)


def handling(function=lambda event: None, *, attempts=3, **options):
    policy = Backoff(delays=(1.0,) * (attempts - 1), jitter=0)
    handler = Handler(name="h", function=function, patterns=("#",), retry=policy, **options)
    return Handling(handler, "blog.h", stop=Flag())


def fail(event):
    raise ValueError


def start(count):
    """As processes do that die before the end."""
    for _ in range(count):
        attempts("default").begin("blog.h", decode_event(EVENT))


@pytest.mark.parametrize("options", [{}, {"inbox": False}, {"late_inbox": True}])
def test_count_of_starts_is_gone_when_one_ends(options):
    start(1)
    assert isinstance(handling(**options)(AGAIN), Handled)
    assert not Attempt.objects.exists()
    assert InboxEvent.objects.count() == options.get("inbox", True)


@pytest.mark.parametrize(("attempts", "started"), [(1, 0), (2, 0), (3, 1), (5, 3)])
def test_event_is_handled_when_not_all_its_starts_are_used_up(attempts, started):
    start(started)
    assert isinstance(handling(attempts=attempts)(AGAIN), Handled)


@pytest.mark.parametrize(("attempts", "started"), [(1, 1), (2, 1), (3, 2), (5, 4)])
def test_event_is_a_dead_letter_when_its_starts_are_used_up(attempts, started):
    start(started)
    result = handling(attempts=attempts)(AGAIN)
    assert isinstance(result, Dead)
    assert (result.reason, result.headers["x-attempts"]) == ("crashed", started + 1)
    assert not Attempt.objects.exists()


@pytest.mark.parametrize(("attempts", "started"), [(1, 0), (2, 0), (3, 1), (5, 1), (5, 9)])
def test_event_is_called_alone_when_it_did_not_end_a_start_or_has_no_other_left(attempts, started):
    start(started)
    assert handling(attempts=attempts).beside_others(AGAIN) == Dangerous()


def test_start_is_not_counted_when_the_event_waits_to_be_alone():
    start(1)
    handling().beside_others(AGAIN)
    assert Attempt.objects.get().count == 1


@pytest.mark.parametrize("attempts", [3, 5])
def test_event_is_called_beside_others_when_nothing_speaks_against_it(attempts):
    assert isinstance(handling(attempts=attempts).beside_others(AGAIN), Handled)


def test_batch_handler_gets_an_event_that_comes_back_by_itself():
    calls = []
    assert isinstance(handling(calls.append, batch=10)(AGAIN), Handled)
    assert [[event.id for event in events] for events in calls] == [["e1"]]


def test_batch_handlers_report_is_heeded_when_an_event_comes_back():
    def report(events):
        raise BatchFailed({events[0].id: ValueError("no")})

    result = handling(report, batch=10)(AGAIN)
    assert isinstance(result, Failed)
    assert result.exception == "builtins.ValueError"
    assert not InboxEvent.objects.exists()


def test_failure_ends_a_start_when_the_event_waits_in_a_queue():
    result = handling(fail)(AGAIN)
    assert isinstance(result, Failed)
    assert result.received.attempt == 1
    assert not Attempt.objects.exists()


def test_ordered_event_goes_on_counting_when_another_process_gets_it():
    ordered = handling(fail, ordered=True)
    result = ordered(AGAIN)
    assert isinstance(result, Failed)
    assert result.received.attempt == 2
    result = ordered(AGAIN)
    assert isinstance(result, Dead)
    assert result.reason == "failed"
    assert not Attempt.objects.exists()
