"""When the thread that does the I/O is woken."""

import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from consumers.pool import Job, Pool
from consumers.results import Handled
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


def job():
    handler = SimpleNamespace(name="h", batch=0, soft_seconds=900.0, hard_seconds=None)
    handling = SimpleNamespace(handler=handler, beside_others=lambda received: DONE)
    return Job(handling, [SimpleNamespace()], [SimpleNamespace(is_suspect=False)])


def test_wakes_once_for_many_results_and_again_after_they_were_asked_for(pool, woken):
    for _ in range(2):
        before = len(woken)
        for _ in range(20):
            pool.put(job())
        eventually(lambda: len(pool._done) == 20, seconds=5)
        assert len(woken) == before + 1
        assert [results for _, results in pool.done()] == [[DONE]] * 20
