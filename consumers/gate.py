"""Lets calls run beside each other, or one all by itself."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Condition, Lock


class Gate:
    """One that wants to be alone waits for those that run, and lets no others begin meanwhile."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._changed = Condition(self._lock)
        self._running = 0
        self._alone = 0
        self._beside = _Beside(self)

    def beside_others(self) -> AbstractContextManager[None]:
        return self._beside

    def enter(self) -> None:
        """Beside others."""
        with self._lock:
            while self._alone:
                self._changed.wait()
            self._running += 1

    def leave(self) -> None:
        with self._lock:
            self._running -= 1
            if self._alone:
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            self._alone += 1
            while self._running:
                self._changed.wait()
            self._running = 1
        try:
            yield
        finally:
            with self._changed:
                self._alone -= 1
                self._running = 0
                self._changed.notify_all()


class _Beside(AbstractContextManager[None]):
    """One for all threads, and no generator: it is entered for each event."""

    __slots__ = ("_gate",)

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def __enter__(self) -> None:
        self._gate.enter()

    def __exit__(self, *args: object) -> None:
        self._gate.leave()
