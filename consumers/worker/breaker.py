"""A circuit breaker: pauses a subscription when nearly all attempts fail."""

from collections import deque

WINDOW_SECONDS = 30.0
LEAST_ATTEMPTS = 20
FAILING = 0.9
PAUSE_SECONDS = 30.0


class Second:
    """Counts of the attempts that ended within one second."""

    __slots__ = ("attempts", "began", "failed")

    def __init__(self, began: float) -> None:
        self.began = began
        self.attempts = self.failed = 0


class Breaker:
    """Counts the attempts of one subscription over the last half minute. `now` is `time.monotonic()`."""

    def __init__(self, now: float) -> None:
        self._seconds: deque[Second] = deque()
        self._begin(now)

    def ended(self, *, is_failed: bool) -> None:
        """Count an attempt."""
        self._now.attempts += 1
        self._now.failed += is_failed

    def opens(self, now: float) -> bool:
        """Whether to pause now: an attempt failed just now, as did nearly all before it. Then counting begins anew."""
        is_open = self._now.failed > 0 and self._is_failing()
        if is_open:
            self._seconds.clear()
        if is_open or now - self._now.began >= 1.0:
            self._begin(now)
        return is_open

    def _is_failing(self) -> bool:
        attempts = sum(second.attempts for second in self._seconds)
        failed = sum(second.failed for second in self._seconds)
        return attempts >= LEAST_ATTEMPTS and failed >= FAILING * attempts

    def _begin(self, now: float) -> None:
        while self._seconds and self._seconds[0].began < now - WINDOW_SECONDS:
            self._seconds.popleft()
        self._now = Second(now)
        self._seconds.append(self._now)
