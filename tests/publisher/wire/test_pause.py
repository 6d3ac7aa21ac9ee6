"""Where connections end as soon as they are there, the next one has its time."""

import time

from publisher.wire.pause import LASTING_SECONDS, Pause
from tests.stage import Pauses


def test_pauses_grow_after_connections_that_ended_soon_and_there_is_none_after_one_that_lasted():
    stop = Pauses()
    pause = Pause(stop)
    for _ in range(10):
        pause.after(time.monotonic())
    assert stop.seconds[0] <= 0.25
    assert 2 <= stop.seconds[-1] <= 4
    assert all(later > earlier / 2 for earlier, later in zip(stop.seconds, stop.seconds[1:], strict=False))
    stop.seconds.clear()
    pause.after(time.monotonic() - LASTING_SECONDS)
    assert stop.seconds == []
    pause.after(time.monotonic())
    assert stop.seconds[0] <= 0.25
