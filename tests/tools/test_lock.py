"""One run at a time."""

import threading

import pytest

from tools.errors import ToolError
from tools.lock import exclusive


def test_second_holder_gives_up_when_the_first_keeps_the_lock(tmp_path):
    with (
        exclusive(tmp_path / "lock"),
        pytest.raises(ToolError, match="still held"),
        exclusive(tmp_path / "lock", timeout_seconds=0.2),
    ):
        pass


def test_second_holder_goes_on_when_the_first_lets_go(tmp_path):
    order = []
    with exclusive(tmp_path / "lock"):
        second = threading.Thread(target=_hold, args=(tmp_path / "lock", order))
        second.start()
        order.append("first")
    second.join()

    assert order == ["first", "second"]


def _hold(path, order):
    with exclusive(path):
        order.append("second")
