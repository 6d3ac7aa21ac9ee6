"""Jobs that wait here, unacknowledged: between attempts of an ordered handler, while a subscription is paused."""

import heapq
from collections.abc import Iterator
from itertools import count

from consumers.worker.job import Job


class Held:
    """Used by the I/O thread. Times are those of the monotonic clock."""

    def __init__(self) -> None:
        # (when, a tie-breaker, what).
        self._jobs: list[tuple[float, int, Job]] = []
        self._numbers = count()

    def __iter__(self) -> Iterator[Job]:
        return (job for _, _, job in self._jobs)

    def add(self, job: Job, until: float) -> None:
        """Of an ordered handler's event, what has its key waits behind it."""
        heapq.heappush(self._jobs, (until, next(self._numbers), job))

    @property
    def next_at(self) -> float | None:
        return self._jobs[0][0] if self._jobs else None

    def released(self, now: float) -> list[Job]:
        """All at once: one that has to be held again is not met again in the same turn."""
        jobs = []
        while self._jobs and self._jobs[0][0] <= now:
            jobs.append(heapq.heappop(self._jobs)[2])
        return jobs
