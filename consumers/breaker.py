"""A circuit breaker: a subscription whose attempts nearly all fail is paused, not hammered."""

from collections import deque

WINDOW_SECONDS = 30.0
LEAST_ATTEMPTS = 20
FAILING = 0.9
PAUSE_SECONDS = 30.0


class Second:
    """The attempts that ended within one second."""

    __slots__ = ("attempts", "began", "failed")

    def __init__(self, began: float) -> None:
        self.began = began
        self.attempts = self.failed = 0


class Breaker:
    """Counts the attempts of one subscription, by the second. Times are `time.monotonic()`."""

    def __init__(self) -> None:
        self._seconds: deque[Second] = deque()
        self._now = Second(float("-inf"))

    def record(self, is_failed: bool, now: float) -> bool:
        """Whether the subscription should pause now."""
        if now - self._now.began >= 1.0:
            self._begin(now)
        self._now.attempts += 1
        if not is_failed:
            return False
        self._now.failed += 1
        attempts = sum(second.attempts for second in self._seconds)
        failed = sum(second.failed for second in self._seconds)
        if attempts < LEAST_ATTEMPTS or failed < FAILING * attempts:
            return False
        self._seconds.clear()
        self._begin(now)
        return True

    def _begin(self, now: float) -> None:
        while self._seconds and self._seconds[0].began < now - WINDOW_SECONDS:
            self._seconds.popleft()
        self._now = Second(now)
        self._seconds.append(self._now)
