"""How a call ends at its hard limit, and what does not count."""

import asyncio
import time
from contextlib import contextmanager
from functools import wraps
from threading import Event as Flag
from types import SimpleNamespace

import pytest
from django.db import OperationalError
from django.dispatch import Signal

from consumers.exceptions import HandlerTooSlow, Reject
from consumers.handler import Handler
from consumers.handling import once
from consumers.handling.handling import Handling
from consumers.handling.patience import Patience
from consumers.handling.received import Received
from consumers.handling.results import Handled
from consumers.offloaded import Runner
from consumers.worker.job import Job
from consumers.worker.pool import Pool
from publisher.wire.event import Event
from tests.stage import eventually

TOO_SLOW = "consumers.exceptions.HandlerTooSlow"
BODY = b'{"specversion":"1.0","id":"e1","source":"/x","type":"t"}'


@pytest.fixture
def became():
    """What became of an event whose handler is this function, as the thread that watches sees it."""
    pool = Pool(1, lambda: None)

    def became(function, hard_seconds=0.1, *, has_database=False, inbox=False):
        handler = Handler(name="h", function=function, patterns=("#",), inbox=inbox, hard_seconds=hard_seconds)
        handles = Handling(handler, "s.h", stop=Flag(), has_database=has_database)
        delivery = SimpleNamespace(properties=SimpleNamespace(message_id="e1"), body=BODY)
        pool.put(Job(handles, [delivery], [Received(body=BODY, routing_key="a")]))
        return eventually(watched, seconds=10)

    def watched():
        pool.watch()
        return [result for _, (result,) in pool.done()]

    yield lambda *args, **more: became(*args, **more)[0]
    pool.close(5)


def test_coroutine_is_ended_at_its_hard_limit(became):
    ended = []

    async def hangs(event):
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(event)

    assert became(hangs).exception == TOO_SLOW
    assert ended


def test_handler_that_catches_every_exception_is_ended_at_its_hard_limit(became):
    def stubborn(event):
        for _ in range(500):
            try:
                time.sleep(0.01)
            except Exception:
                continue

    result = became(stubborn)
    assert result.exception == TOO_SLOW
    assert str(HandlerTooSlow()) == "The handler ran longer than its hard limit, and was ended."


def slowly(exception, **context):
    for _ in range(40):
        time.sleep(0.01)


def test_hard_limit_ends_no_call_of_on_failure(became, settings):
    """What the handler raised decides: within its limit it has ended."""
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "ON_FAILURE": f"{__name__}.slowly"}

    def rejects(event):
        raise Reject

    assert became(rejects, hard_seconds=0.2).reason == "rejected"


def test_coroutine_is_not_called_again_when_it_ended_late_by_itself(became):
    async def blocks(event):
        time.sleep(0.5)

    assert isinstance(became(blocks), Handled)


def test_timeout_of_a_coroutines_own_is_its_own(became):
    async def impatient(event):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(30)

    assert became(impatient, hard_seconds=60).exception == "builtins.TimeoutError"


def test_coroutine_that_its_decorator_hides_is_a_failure_and_no_handled_event(became):
    def plain(function):
        @wraps(function)
        def call(event):
            return function(event)

        return call

    @plain
    async def never_begun(event):
        raise AssertionError

    result = became(never_begun)
    assert result.exception == "builtins.TypeError"


def test_generator_that_its_decorator_hides_is_a_failure_and_no_handled_event(became):
    def handle(event):
        yield event

    async def handle_async(event):
        yield event

    for function in (handle, handle_async):
        assert became(lambda event, function=function: function(event)).exception == "builtins.TypeError"


def test_coroutine_that_is_offloaded_is_ended_at_its_hard_limit():
    async def hangs(**kwargs):
        await asyncio.sleep(30)

    offloaded = SimpleNamespace(receiver=hangs, name="hangs", entry=SimpleNamespace(hard_seconds=0.1))
    runner = Runner(offloaded, {"t": Signal()})
    assert runner.ends_itself
    with pytest.raises(HandlerTooSlow):
        runner(Event(specversion="1.0", id="e1", source="/x", type="t"))


@pytest.fixture
def away(monkeypatch):
    """The database is away for six hard limits."""
    until = time.monotonic() + 0.6
    monkeypatch.setattr(Patience, "_trouble", lambda *_: "away" if time.monotonic() <= until else None)
    return lambda: time.monotonic() <= until


@pytest.mark.django_db(transaction=True)
def test_outage_longer_than_the_hard_limit_uses_up_no_attempt(became, away):
    def function(event):
        if away():
            raise OperationalError("server closed the connection")

    assert isinstance(became(function, has_database=True), Handled)


@pytest.mark.django_db(transaction=True)
def test_call_after_an_outage_is_ended_at_its_hard_limit(became, away):
    def function(event):
        if away():
            raise OperationalError("server closed the connection")
        for _ in range(500):
            time.sleep(0.01)

    assert became(function, has_database=True).exception == TOO_SLOW


@pytest.mark.django_db(transaction=True)
def test_wait_for_the_lock_that_a_transaction_begins_with_does_not_count(became, monkeypatch):
    @contextmanager
    def begun_late(using):
        time.sleep(0.3)
        yield

    monkeypatch.setattr(once, "effect", begun_late)
    monkeypatch.setattr(once.Once, "_inbox", SimpleNamespace(admit=lambda *_: True))
    assert isinstance(became(lambda event: None, has_database=True, inbox=True), Handled)
