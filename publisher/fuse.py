"""A circuit breaker for questions: while nobody answers, requests do not wait for each question to time out."""

BLOWS_AFTER = 5
SHORTEST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


class Fuse:
    """The circuit breaker of one signal. Times are of `time.monotonic()`. Not thread-safe: its owner holds a lock."""

    def __init__(self) -> None:
        self._mend()

    def _mend(self) -> None:
        self._failures = 0
        self._pause_seconds = SHORTEST_PAUSE_SECONDS
        self._blown_until: float | None = None
        self._is_trying = False

    @property
    def is_blown(self) -> bool:
        return self._blown_until is not None

    def allows(self, now: float) -> bool:
        """Whether to ask. After each pause, one question is let through, and the next pause begins for all others."""
        if self._blown_until is None:
            return True
        if now < self._blown_until:
            return False
        self._blown_until = now + self._pause_seconds
        self._is_trying = True
        return True

    def record(self, is_answered: bool, now: float) -> bool:
        """Note an outcome. Returns whether it blew the fuse, which a failure while the fuse is blown does not."""
        if is_answered:
            self._mend()
            return False
        if self._is_trying:
            self._is_trying = False
            self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)
            self._blown_until = now + self._pause_seconds
            return False
        self._failures += 1
        if self.is_blown or self._failures < BLOWS_AFTER:
            return False
        self._blown_until = now + self._pause_seconds
        return True
