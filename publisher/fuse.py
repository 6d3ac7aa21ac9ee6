"""A circuit breaker for questions: while nobody answers, requests do not wait for each question to time out."""

from publisher.wire.topology import LONGEST_ASK_SECONDS

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
        self._tried_at: float | None = None

    @property
    def is_blown(self) -> bool:
        return self._blown_until is not None

    def allows(self, now: float) -> bool:
        """Whether to ask. After each pause, one question is let through as a trial, and no other until its outcome.

        A thread that dies records no outcome. So the trial ends with the longest time that a question may take.
        """
        if self._blown_until is None:
            return True
        if now < self._blown_until:
            return False
        self._blown_until = now + LONGEST_ASK_SECONDS + self._pause_seconds
        self._tried_at = now
        return True

    def record(self, is_answered: bool, now: float, asked_at: float) -> bool:
        """Note an outcome. Returns whether it blew the fuse, which a failure while the fuse is blown does not.

        `asked_at` is the time that `allows` got. It tells the trial from questions that were sent before the fuse blew.
        """
        if is_answered:
            self._mend()
            return False
        if asked_at == self._tried_at:
            self._tried_at = None
            self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)
            self._blown_until = now + self._pause_seconds
            return False
        self._failures += 1
        if self.is_blown or self._failures < BLOWS_AFTER:
            return False
        self._blown_until = now + self._pause_seconds
        return True
