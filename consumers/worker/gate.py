"""Lets calls run beside each other, or one all by itself."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

logger = logging.getLogger("consumers.worker")

# A handler may run for hours, and the others cannot wait for it so long: not until it ends, for one to be alone, nor
# while it is alone itself.
HOLD_SECONDS = 10.0
ALONE_SECONDS = 60.0


class Gate:
    """One that wants to be alone waits for those that run, and lets no others begin meanwhile, for a while."""

    def __init__(self) -> None:
        self._changed = Condition()
        # Threads, by their identity.
        self._inside: set[int] = set()
        # By one that wants to be alone, or is: nobody else begins.
        self._is_held = False
        self._held_until = 0.0
        self._is_told = False

    def enter(self, thread: int) -> None:
        """Beside others. For each event: without a lock, unless somebody holds the others.

        Who does says so first and looks who is inside then; here it is the other way round, so one sees the other.
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
        """Whether it came to that: not while another one wants it, nor where those that run go on for too long."""
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
                logger.warning("others begin beside an event that is called alone, and takes long")

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()
