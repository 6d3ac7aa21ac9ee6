"""What the I/O thread knows of one subscription: its lanes, the batch that it collects, its breaker, its calls."""

import time
from collections import deque

from consumers.handling.handling import Handling
from consumers.handling.received import Received
from consumers.worker.breaker import Breaker
from consumers.worker.job import Job
from consumers.worker.lanes import Lanes
from publisher.wire.event import partitionkey_of
from publisher.wire.intake import Delivery


class Subscription:
    """Turns deliveries into jobs: in order for an ordered handler, many at once for a batch handler.

    Used by one thread.
    """

    def __init__(self, handling: Handling) -> None:
        self.handling = handling
        self.handler = handling.handler
        self.breaker = Breaker(time.monotonic())
        self.paused_until: float | None = None
        self._lanes: Lanes[Job] = Lanes()
        # For failed events of an ordered handler: the next attempt, and its time by the monotonic clock. The key is the
        # event's body, since the broker may deliver the same event again meanwhile.
        self._next: dict[bytes, tuple[Received, float]] = {}
        self._batch: list[tuple[Delivery, Received]] = []
        self._batch_since = 0.0
        # How many jobs the pool has, also those of a connection that was lost: their handlers go on.
        self._in_pool = 0
        # Jobs that wait for their turn, since the pool has as many as `concurrency` allows.
        self._behind: deque[Job] = deque()

    def arrived(self, delivery: Delivery, received: Received) -> Job | None:
        """The job to begin now; None while the event waits in its lane or for its batch."""
        if self.handler.batch and not received.is_alone:
            return self._collected(delivery, received)
        if self._next:
            # If the connection was lost while the event waited for its next attempt, its attempts go on being counted.
            received, _ = self._next.get(delivery.body, (received, 0.0))
        job = Job(self.handling, [delivery], [received])
        if self.handler.ordered and not self._lanes.enter(partitionkey_of(received.body), job):
            return None
        return job

    def wait(self, job: Job, until: float) -> None:
        """Note that an ordered handler failed with this event, and that the next attempt waits until this time."""
        self._next[job.deliveries[0].body] = (job.received[0], until)

    def waits_until(self, job: Job) -> float:
        """When the job may begin, by the monotonic clock: after the pause, and after its own wait. 0 for at once."""
        # Hashing a large body takes time, so the body is only looked up if any event waits.
        _, until = self._next.get(job.deliveries[0].body, (None, 0.0)) if self._next else (None, 0.0)
        return max(until, self.paused_until or 0.0)

    def begun(self, job: Job) -> None:
        if self._next:
            self._next.pop(job.deliveries[0].body, None)
        self._in_pool += 1

    def ended(self) -> None:
        """The pool is done with a job, or has given it back."""
        self._in_pool -= 1

    @property
    def is_full(self) -> bool:
        """Whether the pool has as many jobs, each of which is one call, as `concurrency` allows."""
        return self.handler.concurrency is not None and self._in_pool >= self.handler.concurrency

    def wait_behind(self, job: Job) -> None:
        self._behind.append(job)

    def next_behind(self) -> Job | None:
        """The next job that has waited for its turn, if it may begin now."""
        return self._behind.popleft() if self._behind and not self.is_full else None

    def next_after(self, job: Job) -> Job | None:
        """For an ordered handler: this job is done. Returns the job behind it in its lane, which may begin now."""
        return self._lanes.leave(partitionkey_of(job.received[0].body))

    def _collected(self, delivery: Delivery, received: Received) -> Job | None:
        if not self._batch:
            self._batch_since = time.monotonic()
        self._batch.append((delivery, received))
        return self._taken_batch() if len(self._batch) >= self.handler.batch else None

    def due_batch(self) -> Job | None:
        """The collected batch, if it has waited for more events as long as it should. While the handler can have no
        more calls, the batch goes on collecting.
        """
        is_due = self._batch and not self.is_full and time.monotonic() - self._batch_since >= self.handler.batch_seconds
        return self._taken_batch() if is_due else None

    def _taken_batch(self) -> Job | None:
        if not self._batch:
            return None
        deliveries, received = zip(*self._batch, strict=True)
        self._batch.clear()
        return Job(self.handling, deliveries, received)

    def clear(self) -> list[Job]:
        """Forget the deliveries of a connection that were not begun, and return their jobs.

        The next attempts of failed events are remembered, since the broker will send these events again.
        """
        now = time.monotonic()
        self._next = {body: attempt for body, attempt in self._next.items() if attempt[1] > now}
        batch, behind = self._taken_batch(), list(self._behind)
        self._behind.clear()
        return [*self._lanes.clear(), *behind, *([batch] if batch else [])]
