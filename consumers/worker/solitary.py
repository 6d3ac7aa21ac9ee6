"""Jobs whose events may kill their process. Each is handled alone, in its turn. They take no thread while they wait."""

import random

from msgspec.structs import replace

from consumers.worker.job import Job

# The wait before the first job is begun. Meanwhile, harmless events that arrived with it are handled, and more of the
# dangerous ones arrive, so that there is a choice.
GATHER_SECONDS = 1.0
# The wait after a job could not be alone. It is over sooner if the pool has no job any more.
LET_SECONDS = 60.0


class Solitary:
    """Used by the I/O thread. Times are those of the monotonic clock.

    The next job is chosen at random. In a fixed order, an innocent event behind the one that kills the process would be
    redelivered as often as that one.
    """

    def __init__(self) -> None:
        self._waiting: list[Job] = []
        self._gathered_at = self._let_until = 0.0
        # Whether the pool has a job that is to be alone.
        self._is_begun = False

    def add(self, job: Job, now: float) -> None:
        if not self._waiting:
            self._gathered_at = now + GATHER_SECONDS
        self._waiting.append(job)

    def add_again(self, job: Job, now: float) -> None:
        """The job had its turn, but was not alone: other handlers went on for too long."""
        self._waiting.append(job)
        self._let_until = now + LET_SECONDS

    def due(self, now: float, *, is_idle: bool) -> Job | None:
        """The next job, if one may go to the pool. The pool has at most one, so that its other threads stay free.

        `is_idle`: the pool has no job at all.
        """
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
        """Remove and return all jobs that wait."""
        waiting, self._waiting = self._waiting, []
        return waiting
