"""Lets calls run beside each other, or one all by itself."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

logger = logging.getLogger("consumers.worker")

# A handler may run for hours, and the others cannot wait for it so long.
HOLD_SECONDS = 10.0
LET_SECONDS = 60.0


class Gate:
    """One that wants to be alone waits for those that run, and lets no others begin meanwhile, for a while."""

    def __init__(self) -> None:
        self._changed = Condition()
        # Threads, by their identity.
        self._inside: set[int] = set()
        self._wanting = 0
        # How many of those that want to be alone, or are, let nobody begin.
        self._holding = 0

    def enter(self, thread: int) -> None:
        """Beside others. For each event: without a lock, unless somebody holds the others.

        Who does says so first and looks who is inside then; here it is the other way round, so one sees the other.
        """
        self._inside.add(thread)
        if self._holding:
            self._wait(thread)

    def leave(self, thread: int) -> None:
        self._inside.discard(thread)
        if self._wanting:
            self._tell()

    @contextmanager
    def alone(self, thread: int) -> Iterator[None]:
        with self._changed:
            self._wanting += 1
            self._hold_until_empty()
            self._inside.add(thread)
        try:
            yield
        finally:
            with self._changed:
                self._wanting -= 1
                self._holding -= 1
                self._inside.discard(thread)
                self._changed.notify_all()

    def _hold_until_empty(self) -> None:
        """Turn and turn about: it holds the others, and lets them begin."""
        is_told = False
        while True:
            self._holding += 1
            if self._is_empty_within(HOLD_SECONDS):
                return
            self._holding -= 1
            self._changed.notify_all()
            if not is_told:
                is_told = True
                logger.warning("an event that may end its process waits for handlers that run: %d", len(self._inside))
            self._is_empty_within(LET_SECONDS)

    def _is_empty_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self._inside and (left := until - time.monotonic()) > 0:
            self._changed.wait(left)
        return not self._inside

    def _wait(self, thread: int) -> None:
        with self._changed:
            self._inside.discard(thread)
            self._changed.notify_all()
            while self._holding:
                self._changed.wait()
            self._inside.add(thread)

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()
