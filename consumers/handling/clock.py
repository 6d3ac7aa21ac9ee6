"""Measures a handler's call, for its hard limit. Waiting before the call, as for a lock, does not count."""

import threading
import time

_here = threading.local()


class Clock:
    """The clock of one delivery. It runs while the handler does, and is read by another thread."""

    __slots__ = ("_began",)

    def __init__(self) -> None:
        self._began: float | None = None

    def seconds(self, now: float) -> float:
        began = self._began
        return 0.0 if began is None else now - began

    def begin(self) -> None:
        self._began = time.monotonic()

    def stop(self) -> None:
        self._began = None


def set_up() -> Clock:
    """Make a new clock for the next delivery of this thread."""
    _here.clock = clock = Clock()
    return clock


def begin() -> None:
    """The handler is called now, or once more. Does nothing in a thread without a clock."""
    if (clock := _clock()) is not None:
        clock.begin()


def stop() -> None:
    """The call is over."""
    if (clock := _clock()) is not None:
        clock.stop()


def _clock() -> Clock | None:
    clock: Clock | None = getattr(_here, "clock", None)
    return clock
