"""Registrations that wait for the first value."""

import sys
import threading
import time
from types import ModuleType

import pytest

from publisher.wire import late


@pytest.fixture
def called(monkeypatch):
    """A module whose functions can be named, and what they did."""
    module = ModuleType("called")
    module.times = []
    module.slowly = lambda: (time.sleep(0.2), module.times.append("slowly"))
    module.again = lambda: (late.load(), module.times.append("again"))
    module.fails = lambda: 1 / 0
    monkeypatch.setitem(sys.modules, "called", module)
    monkeypatch.setattr(late, "pending", [])
    return module


def test_each_is_called_once_and_in_order(called):
    for name in ("slowly", "again"):
        late.when_needed(f"called.{name}")
    late.load()
    late.load()
    assert called.times == ["slowly", "again"]


def test_others_wait_when_one_thread_is_at_it(called):
    late.when_needed("called.slowly")
    seen = []
    threads = [threading.Thread(target=lambda: (late.load(), seen.append(list(called.times)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [["slowly"]] * 4


def test_it_fails_again_when_it_failed(called):
    late.when_needed("called.fails")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            late.load()
