"""Lets calls run beside each other, or one all by itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Gate:
    """One that wants to be alone waits for those that run, and lets no others begin meanwhile."""

    def __init__(self) -> None:
        self._changed = Condition()
        # Threads, by their identity.
        self._inside: set[int] = set()
        self._wanting = 0

    def enter(self, thread: int) -> None:
        """Beside others. For each event: without a lock, unless somebody wants to be alone.

        Who wants to says so first and looks who is inside then; here it is the other way round, so one sees the other.
        """
        self._inside.add(thread)
        if self._wanting:
            self._wait(thread)

    def leave(self, thread: int) -> None:
        self._inside.discard(thread)
        if self._wanting:
            self._tell()

    @contextmanager
    def alone(self, thread: int) -> Iterator[None]:
        with self._changed:
            self._wanting += 1
            while self._inside:
                self._changed.wait()
            self._inside.add(thread)
        try:
            yield
        finally:
            with self._changed:
                self._wanting -= 1
                self._inside.discard(thread)
                self._changed.notify_all()

    def _wait(self, thread: int) -> None:
        with self._changed:
            self._inside.discard(thread)
            self._changed.notify_all()
            while self._wanting:
                self._changed.wait()
            self._inside.add(thread)

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()
