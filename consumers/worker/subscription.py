"""What the I/O thread knows of one subscription: its lanes, its batch in the making, its breaker."""

import time

from consumers.handling.handling import Handling
from consumers.handling.received import Received
from consumers.worker.breaker import Breaker
from consumers.worker.lanes import Lanes
from consumers.worker.pool import Job
from publisher.wire.event import partitionkey_of
from publisher.wire.intake import Delivery


class Subscription:
    """Turns deliveries into jobs, in the order that its handler asks for. Used by one thread."""

    def __init__(self, handling: Handling) -> None:
        self.handling = handling
        self.handler = handling.handler
        self.breaker = Breaker(time.monotonic())
        self.paused_until: float | None = None
        self._lanes: Lanes[Job] = Lanes()
        # Of an ordered handler's events between two attempts, by body: the next one, and when, by the monotonic clock.
        self._next: dict[bytes, tuple[Received, float]] = {}
        self._batch: list[tuple[Delivery, Received]] = []
        self._batch_since = 0.0

    def arrived(self, delivery: Delivery, received: Received) -> Job | None:
        """The job that can be begun now, if any."""
        if self.handler.batch and not received.is_alone:
            return self._collected(delivery, received)
        if self._next:
            # It comes again where the wait outlasted its connection, or the broker's patience: its attempts go on.
            received, _ = self._next.get(delivery.body, (received, 0.0))
        job = Job(self.handling, [delivery], [received])
        if self.handler.ordered and not self._lanes.enter(partitionkey_of(received.body), job):
            return None
        return job

    def wait(self, job: Job, until: float) -> None:
        """An ordered handler's event has another attempt, not before that time."""
        self._next[job.deliveries[0].body] = (job.received[0], until)

    def waits_until(self, job: Job) -> float:
        """When the job can be begun: once the pause and its own wait are over; 0 for now."""
        # To look up a body takes as long as it is large.
        _, until = self._next.get(job.deliveries[0].body, (None, 0.0)) if self._next else (None, 0.0)
        return max(until, self.paused_until or 0.0)

    def begun(self, job: Job) -> None:
        if self._next:
            self._next.pop(job.deliveries[0].body, None)

    def left(self, job: Job) -> Job | None:
        """The job of an ordered handler that can be begun because this one is done."""
        return self._lanes.leave(partitionkey_of(job.received[0].body))

    def _collected(self, delivery: Delivery, received: Received) -> Job | None:
        if not self._batch:
            self._batch_since = time.monotonic()
        self._batch.append((delivery, received))
        return self.batch() if len(self._batch) >= self.handler.batch else None

    def due_batch(self) -> Job | None:
        """The batch in the making, when it has waited long enough for more."""
        is_due = self._batch and time.monotonic() - self._batch_since >= self.handler.batch_seconds
        return self.batch() if is_due else None

    def batch(self) -> Job | None:
        if not self._batch:
            return None
        deliveries, received = zip(*self._batch, strict=True)
        self._batch.clear()
        return Job(self.handling, deliveries, received)

    def clear(self) -> list[Job]:
        """Forget what a lost connection had brought; what was not begun of it. What waits may come again."""
        now = time.monotonic()
        self._next = {body: attempt for body, attempt in self._next.items() if attempt[1] > now}
        batch = self.batch()
        return [*self._lanes.clear(), *([batch] if batch else [])]
