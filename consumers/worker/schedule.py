"""Decides when a job goes to the pool: now, after a wait or a pause, after others of its handler, or alone."""

import time
from collections.abc import Callable, Mapping

from consumers.worker.held import Held
from consumers.worker.job import Job
from consumers.worker.pool import Pool
from consumers.worker.solitary import Solitary
from consumers.worker.subscription import Subscription


class Schedule:
    """Used by the I/O thread alone. `begun` counts the jobs that went to the pool, and are not yet `ended`."""

    def __init__(self, pool: Pool, subscriptions: Mapping[str, Subscription]) -> None:
        self.begun = 0
        self._pool = pool
        self._subscriptions = subscriptions
        self._held = Held()
        self._solitary = Solitary()
        self._has_batches = any(subscription.handler.batch for subscription in subscriptions.values())

    def begin(self, job: Job) -> None:
        """Begin the job now; or once its own wait and its subscription's pause are over; or in its turn to be alone; or
        once its handler may have another call. A job in its turn to be alone has no call of its handler beside it.
        """
        subscription = self._subscriptions[job.deliveries[0].queue]
        until = subscription.waits_until(job)
        if until > time.monotonic():
            self._held.add(job, until)
        elif job.received[0].is_dangerous and not job.is_solitary:
            self._solitary.add(job, time.monotonic())
        elif subscription.is_full and not job.is_solitary:
            subscription.wait_behind(job)
        else:
            subscription.begun(job)
            self._solitary.begun(job)
            self.begun += 1
            self._pool.put(job)

    def begin_at(self, job: Job, when: float) -> None:
        """Begin the job, but not before this time of the monotonic clock."""
        self._held.add(job, when)

    def begin_alone(self, job: Job, now: float, *, has_failed: bool) -> None:
        """Begin the job in its turn to be alone. `has_failed`: it had a turn, but was not alone soon enough."""
        if has_failed:
            self._solitary.add_again(job, now)
        else:
            self._solitary.add(job, now)

    def begin_due(self, now: float, wait_for_acks: Callable[[], None]) -> None:
        """Begin what has waited long enough. `wait_for_acks` is called before a job that may end this process."""
        for job in self._held.released(now):
            self.begin(job)
        if (solitary := self._solitary.due(now, is_idle=not self.begun)) is not None:
            # So that events which were handled before it are not delivered again if the process ends.
            wait_for_acks()
            self.begin(solitary)
        for subscription in self._subscriptions.values():
            while (following := subscription.next_behind()) is not None:
                self.begin(following)
        if self._has_batches:
            for subscription in self._subscriptions.values():
                if (batch := subscription.due_batch()) is not None:
                    self.begin(batch)

    def ended(self, job: Job) -> None:
        """The pool is done with the job."""
        self.begun -= 1
        self._subscriptions[job.deliveries[0].queue].ended()
        self._solitary.ended(job)

    def reconsider(self) -> None:
        """Decide anew about the jobs that no thread has begun: their subscription may be paused now."""
        for job in self._taken_back():
            self.begin(job)

    def clear(self) -> list[Job]:
        """Remove and return all jobs that no thread has begun."""
        cleared = (job for subscription in self._subscriptions.values() for job in subscription.clear())
        return [*self._taken_back(), *self._held, *self._solitary.clear(), *cleared]

    def poll_seconds(self, longest: float, with_batches: float) -> float:
        """How long to wait for I/O so that no job begins late: `with_batches` if a handler has them, or `longest`."""
        if self._has_batches:
            return with_batches
        if (next_at := self._held.next_at) is None:
            return longest
        return min(longest, max(0.0, next_at - time.monotonic()))

    def _taken_back(self) -> list[Job]:
        taken = self._pool.take_back()
        for job in taken:
            self.ended(job)
        return taken
