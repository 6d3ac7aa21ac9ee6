"""A circuit breaker for questions: while nobody answers, requests do not wait for each question to time out."""

BLOWS_AFTER = 5
SHORTEST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


class Fuse:
    """The circuit breaker of one signal. Times are `time.monotonic()`. Its owner holds a lock for each call."""

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
        """Whether to ask. After a pause one question is let through; the others pause on until its outcome is known."""
        if self._blown_until is None:
            return True
        if now < self._blown_until:
            return False
        self._blown_until = now + self._pause_seconds
        self._is_trying = True
        return True

    def record(self, is_answered: bool, now: float) -> bool:
        """Note an outcome. Whether this failure blew the fuse: not one of a question that was sent before it blew."""
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
