"""What the I/O thread knows of one subscription: its lanes, its batch in the making, its breaker."""

import time

from consumers.breaker import Breaker
from consumers.handling import Handling
from consumers.lanes import Lanes
from consumers.pool import Job
from consumers.received import Received
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
        self._batch: list[tuple[Delivery, Received]] = []
        self._batch_since = 0.0

    def arrived(self, delivery: Delivery, received: Received) -> Job | None:
        """The job that can be begun now, if any."""
        if self.handler.batch and not received.is_alone:
            return self._collected(delivery, received)
        job = Job(self.handling, [delivery], [received])
        if self.handler.ordered and not self._lanes.enter(partitionkey_of(received.body), job):
            return None
        return job

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
        """Forget what a lost connection had brought; what was not begun of it."""
        batch = self.batch()
        return [*self._lanes.clear(), *([batch] if batch else [])]
