"""The clock of a call's hard limit, which stands still while the call waits for the database, and begins anew then."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_here = threading.local()


class Clock:
    """That of one call. Read by the thread that watches."""

    __slots__ = ("_began",)

    def __init__(self) -> None:
        self._began: float | None = time.monotonic()

    def seconds(self, now: float) -> float:
        began = self._began
        return 0.0 if began is None else now - began

    def stop(self) -> None:
        self._began = None

    def begin_anew(self) -> None:
        self._began = time.monotonic()


def started() -> Clock:
    """A new one, of what this thread does from now on."""
    _here.clock = clock = Clock()
    return clock


@contextmanager
def standing_still() -> Iterator[None]:
    clock: Clock | None = getattr(_here, "clock", None)
    if clock is None:
        yield
        return
    clock.stop()
    try:
        yield
    finally:
        clock.begin_anew()
