"""Jobs that wait in this process, unacknowledged: for the next attempt of an ordered handler, or for a pause to end."""

import heapq
from collections.abc import Iterator
from itertools import count

from consumers.worker.job import Job


class Held:
    """Used by the I/O thread. Times are those of the monotonic clock."""

    def __init__(self) -> None:
        # A heap of (when, a tie-breaker, the job).
        self._jobs: list[tuple[float, int, Job]] = []
        self._numbers = count()

    def __iter__(self) -> Iterator[Job]:
        return (job for _, _, job in self._jobs)

    def add(self, job: Job, until: float) -> None:
        """Hold the job until this time. Events behind it in its lane wait as well."""
        heapq.heappush(self._jobs, (until, next(self._numbers), job))

    @property
    def next_at(self) -> float | None:
        return self._jobs[0][0] if self._jobs else None

    def released(self, now: float) -> list[Job]:
        """Remove and return the jobs that have waited long enough. A list, since a job may be held again at once."""
        jobs = []
        while self._jobs and self._jobs[0][0] <= now:
            jobs.append(heapq.heappop(self._jobs)[2])
        return jobs
