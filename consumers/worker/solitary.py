"""Events that may kill their process: each is handled alone, in its turn. While they wait they take no thread."""

import random

from msgspec.structs import replace

from consumers.worker.job import Job

# Before the first of them is begun: the harmless events that arrived with it go first, and more of the dangerous ones
# are there to choose from.
GATHER_SECONDS = 1.0
# After one that could not be alone, unless the handlers that kept it from that have ended.
LET_SECONDS = 60.0


class Solitary:
    """Used by the I/O thread. Times are those of the monotonic clock.

    They are taken at random. In a fixed order, an innocent event behind the one that kills the process would be
    redelivered as often as that one.
    """

    def __init__(self) -> None:
        self._waiting: list[Job] = []
        self._gathered_at = self._let_until = 0.0
        # Whether the pool has one of them.
        self._is_begun = False

    def add(self, job: Job, now: float) -> None:
        if not self._waiting:
            self._gathered_at = now + GATHER_SECONDS
        self._waiting.append(job)

    def add_again(self, job: Job, now: float) -> None:
        """It had its turn, and other handlers went on for too long."""
        self._waiting.append(job)
        self._let_until = now + LET_SECONDS

    def due(self, now: float, *, is_idle: bool) -> Job | None:
        """The next one, if it may go to the pool: there is never more than one, so that other threads stay free."""
        if not self._waiting or self._is_begun or now < self._gathered_at:
            return None
        if now < self._let_until and not is_idle:
            return None
        return replace(self._waiting.pop(random.randrange(len(self._waiting))), is_solitary=True)

    def begun(self, job: Job) -> None:
        self._is_begun = self._is_begun or job.is_solitary

    def ended(self, job: Job) -> None:
        """The pool is done with the job."""
        self._is_begun = self._is_begun and not job.is_solitary

    def clear(self) -> list[Job]:
        """All that wait. None waits any more."""
        waiting, self._waiting = self._waiting, []
        return waiting
