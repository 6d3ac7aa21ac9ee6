"""Events that may end their process: each is called alone, in its turn, and until then it waits in no thread."""

import random

from msgspec.structs import replace

from consumers.worker.pool import Job

# What came with one of them goes first, and is there to choose from.
GATHER_SECONDS = 1.0
# After one that waited in vain for handlers that run, unless they have ended.
LET_SECONDS = 60.0


class Solitary:
    """Used by the I/O thread. Times are those of the monotonic clock.

    In no order: whoever always came behind the one that ends its process would come back as often as that one.
    """

    def __init__(self) -> None:
        self._waiting: list[Job] = []
        self._gathered_at = self._let_until = 0.0
        # One of them is in the pool.
        self._is_begun = False

    def add(self, job: Job, now: float) -> None:
        if not self._waiting:
            self._gathered_at = now + GATHER_SECONDS
        self._waiting.append(job)

    def add_again(self, job: Job, now: float) -> None:
        """It could not be alone."""
        self._waiting.append(job)
        self._let_until = now + LET_SECONDS

    def due(self, now: float, *, is_idle: bool) -> Job | None:
        """The next one, if it can go to the pool: one at a time, so that the other threads are for the others."""
        if not self._waiting or self._is_begun or now < self._gathered_at:
            return None
        if now < self._let_until and not is_idle:
            return None
        return replace(self._waiting.pop(random.randrange(len(self._waiting))), is_solitary=True)

    def begun(self, job: Job) -> None:
        self._is_begun = self._is_begun or job.is_solitary

    def left(self, job: Job) -> None:
        """The pool has it no more."""
        self._is_begun = self._is_begun and not job.is_solitary

    def clear(self) -> list[Job]:
        """All that wait."""
        waiting, self._waiting = self._waiting, []
        return waiting
