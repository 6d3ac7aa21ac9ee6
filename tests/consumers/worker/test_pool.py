"""When the thread that does the I/O is woken, and that a thread goes on whatever escapes."""

import logging
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.core.cache import caches
from django.utils import timezone, translation
from msgspec.structs import replace

from consumers.handling.received import Received
from consumers.handling.results import Dead, Failed, Handled
from consumers.worker.job import Job
from consumers.worker.pool import Pool
from tests.stage import eventually

DONE = Handled(event=None, began=datetime.now(UTC))


@pytest.fixture
def woken():
    return []


@pytest.fixture
def pool(woken):
    pool = Pool(1, lambda: woken.append(time.monotonic()))
    yield pool
    pool.close(5)


def job(function=lambda received: DONE):
    handler = SimpleNamespace(name="h", batch=0, soft_seconds=900.0, hard_seconds=None)
    handling = SimpleNamespace(handler=handler, beside_others=function)
    return Job(handling, [SimpleNamespace()], [SimpleNamespace(is_suspect=False)])


def test_wakes_once_for_many_results_and_again_after_they_were_asked_for(pool, woken):
    for _ in range(2):
        before = len(woken)
        for _ in range(20):
            pool.put(job())
        eventually(lambda: len(pool._done) == 20, seconds=5)
        assert len(woken) == before + 1
        assert [results for _, results in pool.done()] == [[DONE]] * 20


def test_event_that_waits_for_another_one_to_be_alone_is_known_to_be_here(pool):
    """Whoever brings it again, as another connection does, is not to have it called twice."""
    waiting, again = (SimpleNamespace(intake=n, queue="q", body=b"{}") for n in (1, 2))
    with pool._gate.alone():
        pool.put(replace(job(), deliveries=[waiting]))
        eventually(lambda: pool.is_at(again), seconds=5)
        assert not pool._done
    eventually(lambda: pool._done, seconds=5)
    assert not pool.is_at(again)


def test_clients_of_caches_are_the_same_from_event_to_event(pool):
    seen = []

    def looks_up(received):
        seen.append(caches["default"])
        return DONE

    for _ in range(2):
        pool.put(job(looks_up))
    eventually(lambda: len(pool._done) == 2, seconds=5)
    assert seen[0] is seen[1]


def test_language_and_time_zone_that_a_handler_activates_are_not_those_of_the_next_event(pool):
    seen = []

    def mails(received):
        seen.append((translation.get_language(), timezone.get_current_timezone_name()))
        translation.activate("de")
        timezone.activate("Asia/Tokyo")
        return DONE

    for _ in range(2):
        pool.put(job(mails))
    eventually(lambda: len(pool._done) == 2, seconds=5)
    assert seen == [(settings.LANGUAGE_CODE, settings.TIME_ZONE)] * 2


class Escaping:
    """A handling with a fault: it raises, and may not even be able to decide what becomes of that."""

    def __init__(self, becomes, error=TypeError):
        self.becomes = becomes
        self.error = error
        self.handler = SimpleNamespace(name="h", batch=5, soft_seconds=900.0, hard_seconds=None)

    def together(self, batch):
        raise self.error("escaped")

    def failed(self, exc, received):
        if self.becomes is None:
            raise exc
        return self.becomes


AGAIN = Failed(received=Received(body=b"{}", routing_key="a"), after=1, exception="builtins.TypeError")


class Hostile(BaseException):
    def __str__(self):
        raise self


def test_thread_goes_on_when_what_escapes_is_no_exception_and_has_no_text(pool):
    delivery = SimpleNamespace(properties=SimpleNamespace(message_id="1"), body=b"{}")
    pool.put(Job(Escaping(None, Hostile), [delivery], [Received(body=b"{}", routing_key="a")]))
    pool.put(job())
    eventually(lambda: len(pool._done) == 2, seconds=5)
    assert [type(result) for _, (result,) in pool.done()] == [Dead, Handled]


@pytest.mark.parametrize("becomes", [AGAIN, None], ids=["failed", "dead"])
def test_thread_goes_on_when_something_escapes_with_a_result_for_each_delivery(pool, caplog, becomes):
    received = [Received(body=b"{}", routing_key="a")] * 2
    delivery = SimpleNamespace(properties=SimpleNamespace(message_id="1"), body=b"{}")
    pool.put(Job(Escaping(becomes), [delivery] * 2, received))
    pool.put(job())
    eventually(lambda: len(pool._done) == 2, seconds=5)
    (_, results), (_, after) = pool.done()
    assert after == [DONE]
    if becomes is None:
        assert [(type(result), result.reason) for result in results] == [(Dead, "failed")] * 2
        assert results[0].headers["x-text"] == "escaped"
    else:
        assert results == [AGAIN, AGAIN]
    assert "escaped handler=h: builtins.TypeError (worker/test_pool.py:" in caplog.text


def test_thread_goes_on_when_what_logs_of_it_raises(pool):
    """A filter of the project's own, say."""

    def broken(record):
        raise RuntimeError

    logger = logging.getLogger("consumers.worker")
    logger.addFilter(broken)
    try:
        delivery = SimpleNamespace(properties=SimpleNamespace(message_id="1"), body=b"{}")
        pool.put(Job(Escaping(AGAIN), [delivery], [Received(body=b"{}", routing_key="a")]))
        pool.put(job())
        eventually(lambda: len(pool._done) == 2, seconds=5)
    finally:
        logger.removeFilter(broken)
    assert [results for _, results in pool.done()] == [[AGAIN], [DONE]]
