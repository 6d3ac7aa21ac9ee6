"""How long a call of a handler has taken: not counted is what its worker waits for before, as for a lock."""

import threading
import time

_here = threading.local()


class Clock:
    """That of one delivery, which stands still until its handler is called. Read by the thread that watches."""

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
    """A new one, of what this thread does next."""
    _here.clock = clock = Clock()
    return clock


def begin() -> None:
    """The handler is called now, or again. In a thread that nobody watches it means nothing."""
    if (clock := _clock()) is not None:
        clock.begin()


def stop() -> None:
    """Its call has failed, and the next one has to wait."""
    if (clock := _clock()) is not None:
        clock.stop()


def _clock() -> Clock | None:
    clock: Clock | None = getattr(_here, "clock", None)
    return clock
