"""Lets handlers run side by side, or one of them alone in the process."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

logger = logging.getLogger("consumers.worker")

# A handler may run for hours, so holding up the other threads has limits. While one thread waits to be alone:
HOLD_SECONDS = 10.0
# While that thread is alone:
ALONE_SECONDS = 60.0


class Gate:
    """A thread that wants to be alone waits for threads that run a handler. Within the limits, no other may begin."""

    def __init__(self) -> None:
        self._changed = Condition()
        # The idents of threads that run a handler.
        self._inside: set[int] = set()
        # Whether a thread is alone, or wants to be: no other may begin then.
        self._is_held = False
        self._held_until = 0.0
        self._is_told = False

    def enter(self, thread: int) -> None:
        """Begin beside others. It is called for each event, so it takes no lock unless the gate is held.

        That is safe: a thread that wants to be alone first sets `_is_held`, then looks at `_inside`. Here it is the
        other way round, so at least one of the two sees the other.
        """
        self._inside.add(thread)
        if self._is_held:
            self._wait(thread)

    def leave(self, thread: int) -> None:
        self._inside.discard(thread)
        if self._is_held:
            self._tell()

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Yields whether this thread is alone. Not if another has asked first, or if running handlers take too long."""
        with self._changed:
            is_alone = not self._is_held and self._is_held_until_empty()
        try:
            yield is_alone
        finally:
            if is_alone:
                with self._changed:
                    self._let()

    def _is_held_until_empty(self) -> bool:
        self._is_held, self._is_told = True, False
        until = time.monotonic() + HOLD_SECONDS
        self._held_until = until + ALONE_SECONDS
        while self._inside and (left := until - time.monotonic()) > 0:
            self._changed.wait(left)
        if not self._inside:
            self._held_until = time.monotonic() + ALONE_SECONDS
            return True
        self._let()
        logger.warning("an event that may end its process waits for handlers that run: %d", len(self._inside))
        return False

    def _let(self) -> None:
        self._is_held = False
        self._changed.notify_all()

    def _wait(self, thread: int) -> None:
        with self._changed:
            self._inside.discard(thread)
            self._changed.notify_all()
            while self._is_held and (left := self._held_until - time.monotonic()) > 0:
                self._changed.wait(left)
            self._inside.add(thread)
            if self._is_held and not self._is_told:
                self._is_told = True
                logger.warning("others begin beside an event that is called alone, since it takes long")

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()
