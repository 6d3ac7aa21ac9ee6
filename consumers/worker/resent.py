"""Events that the broker has sent again, over a new connection, while the handler still runs with the first copy."""

from consumers.worker.job import Job, identity
from publisher.wire.intake import Delivery


class Resent:
    """The second copies, each as a job. They are not handled: they get the outcome of the first copy."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, bytes], list[Job]] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: Job) -> None:
        self._jobs.setdefault(identity(job.deliveries[0]), []).append(job)

    def take(self, first: Delivery) -> list[Job]:
        """Remove and return the copies of this delivery, whose call has ended."""
        return self._jobs.pop(identity(first), [])

    def clear(self) -> list[Job]:
        """Remove and return all copies."""
        copies = [job for jobs in self._jobs.values() for job in jobs]
        self._jobs.clear()
        return copies
