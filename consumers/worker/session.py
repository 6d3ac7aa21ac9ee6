"""Consuming over one pair of connections: deliveries go to the pool, and each is settled by its outcome."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Event as Flag

from msgspec.structs import replace

from consumers.delays import is_due
from consumers.handling.received import Received, received_of, retry_headers
from consumers.handling.results import (
    LOOK_SECONDS,
    AtAnother,
    Dangerous,
    Dead,
    Failed,
    GivenBack,
    Handled,
    Result,
    is_a_failure,
)
from consumers.headers import FIRST_FAILED_AT
from consumers.worker.breaker import PAUSE_SECONDS
from consumers.worker.job import Job
from consumers.worker.outlet import Outlet, Way
from consumers.worker.pool import Pool
from consumers.worker.resent import Resent
from consumers.worker.schedule import Schedule
from consumers.worker.subscription import Subscription
from publisher import conf
from publisher.wire.connection import Connection
from publisher.wire.intake import Delivery, Intake
from publisher.wire.printable import printable
from publisher.wire.shelf import letter_id

logger = logging.getLogger("consumers.worker")

POLL_SECONDS = 1.0
BATCH_POLL_SECONDS = 0.05
CHECK_SECONDS = 1.0


class Session:
    """Used by the I/O thread alone. A delivery is acknowledged after its outcome is safe, never before.

    An outcome is safe when the handler's transaction is committed, or when the broker has confirmed a copy: in a retry
    queue, in the dead letters, or back in the delivery's own queue.
    """

    def __init__(
        self,
        inward: Connection,
        outward: Connection,
        pool: Pool,
        subscriptions: Mapping[str, Subscription],
        prefetch_of: Callable[[str], int],
        on_turn: Callable[[], None],
    ) -> None:
        self.inward = inward
        self.pool = pool
        self.subscriptions = subscriptions
        self._on_turn = on_turn
        self.outlet = Outlet(outward, conf.exchange())
        self._schedule = Schedule(pool, subscriptions)
        self._resent = Resent()
        # Tags to acknowledge at the end of this turn.
        self._finished: list[int] = []
        self._checked_at = time.monotonic()
        self._is_ending = False
        # Deliveries, with their routing keys, that `drain` puts back once no more are taken: earlier, they would come
        # back here at once.
        self.given_back: list[tuple[Delivery, str]] = []
        # Deliveries that arrived after `take_no_more`, as jobs.
        self._late: list[Job] = []
        # Tags of deliveries that were put back while their handlers run.
        self._left_behind: set[int] = set()
        self.intake = Intake(inward, self._arrived)
        self._prefetch_of = prefetch_of
        for queue, subscription in subscriptions.items():
            # A pause outlasts the connection that it began on. At its end `_resume` consumes.
            if subscription.paused_until is None or subscription.handler.ordered:
                self.intake.consume(queue, prefetch_of(queue))

    def serve(self, stop: Flag, until_empty: bool) -> None:
        """Handle deliveries until `stop` is set, or, with `until_empty`, until the queues are empty."""
        while not stop.is_set():
            self.turn(self._schedule.poll_seconds(POLL_SECONDS, BATCH_POLL_SECONDS))
            if until_empty and self._is_empty():
                return

    def take_no_more(self) -> None:
        """Take no more deliveries, except from ordered queues; `drain` says why."""
        self._is_ending = True
        self.intake.cancel(queue for queue, each in self.subscriptions.items() if not each.handler.ordered)

    def not_begun(self) -> list[Job]:
        """Remove the jobs that no thread has begun, and return them without those of ordered queues."""
        return _without_ordered([*self._schedule.clear(), *self._late])

    @property
    def unsettled(self) -> int:
        """How many jobs were begun, and have no outcome yet that this session has dealt with."""
        return self._schedule.begun + len(self._resent)

    def leave_behind(self) -> list[Job]:
        """The jobs that still run, without those of ordered queues. Their outcomes are ignored from now on."""
        running = (job for job in self.pool.running() if job.deliveries[0].intake is self.intake)
        # A running job of an earlier connection is in `_resent`, if the broker has sent its event again.
        left = _without_ordered([*running, *self._resent.clear()])
        self._left_behind.update(delivery.tag for job in left for delivery in job.deliveries)
        return left

    def turn(self, seconds: float) -> None:
        self.inward.poll(seconds)
        for way in self.outlet.check():
            self._reject(way)
        self.intake.check()
        now = time.monotonic()
        self._settle(now)
        if not self._is_ending:
            self._resume(now)
            self.outlet.offer_again(now)
            self._schedule.begin_due(now, self.intake.wait_for_acks)
        if now - self._checked_at >= CHECK_SECONDS:
            self._checked_at = now
            self._on_turn()

    def _arrived(self, delivery: Delivery) -> None:
        received = received_of(delivery)
        if self._is_ending:
            self._late.append(Job(self.subscriptions[delivery.queue].handling, [delivery], [received]))
            return
        if received.due_at and not is_due(received.due_at, time.time()):
            self.outlet.wait(delivery, received.due_at - time.time(), {})
            return
        job = self.subscriptions[delivery.queue].arrived(delivery, received)
        if job is None:
            return
        if delivery.redelivered and self.pool.is_at(delivery):
            self._resent.add(job)
        else:
            self._schedule.begin(job)

    def _settle(self, now: float) -> None:
        for job, results in self.pool.done():
            if job.deliveries[0].intake is not self.intake:
                self._settle_resent(job, results)
                continue
            self._schedule.ended(job)
            for delivery, received, result in zip(job.deliveries, job.received, results, strict=True):
                if delivery.tag not in self._left_behind:
                    self._became(job, delivery, received, result)
        for way in self.outlet.confirmed(now):
            self._finished.append(way.delivery.tag)
            if way.job is not None:
                self._settled(way.job)
        if self._finished:
            self.intake.ack(self._finished)
            self._finished.clear()
        for queue, subscription in self.subscriptions.items():
            if subscription.breaker.opens(now):
                self._pause(subscription, queue)

    def _settle_resent(self, job: Job, results: Sequence[Result]) -> None:
        """Settle the copy of a job from an earlier connection, if the broker has sent its event again over this one."""
        self.subscriptions[job.deliveries[0].queue].ended()
        for first, result in zip(job.deliveries, results, strict=True):
            for copy in self._resent.take(first):
                self._became(copy, copy.deliveries[0], copy.received[0], result)

    def _became(self, job: Job, delivery: Delivery, received: Received, result: Result) -> None:
        subscription = self.subscriptions[delivery.queue]
        if isinstance(result, AtAnother | Dangerous):
            self._not_now(job, delivery, received, result)
            return
        subscription.breaker.ended(is_failed=is_a_failure(result))
        if isinstance(result, Handled):
            self._finished.append(delivery.tag)
            self._settled(job)
        elif subscription.handler.ordered and isinstance(result, Failed | GivenBack):
            self._hold_for_next_attempt(job, result)
        elif isinstance(result, Failed):
            self.outlet.wait(delivery, result.after, retry_headers(received, result.after), job)
        elif isinstance(result, Dead):
            self.outlet.bury(delivery, result.headers, job)
        elif self._is_ending:
            self.outlet.put_anew(delivery, received.routing_key)
        else:
            self.given_back.append((delivery, received.routing_key))

    def _reject(self, way: Way) -> None:
        """The copy is too large for the broker now. The delivery itself is rejected: its queue dead-letters it."""
        if way.is_as_new:
            # The event was to go back to its queue. It can do so without a copy.
            self.intake.give_back([way.delivery.tag])
            return
        id, size = printable(letter_id(way.delivery.properties, way.delivery.body)), len(way.message.body)
        logger.error("rejected event=%s queue=%s: its %d bytes are more than the broker takes", id, way.delivery.queue,
                     size)  # fmt: skip
        self.intake.reject([way.delivery.tag])
        if way.job is not None:
            self._settled(way.job)

    def _not_now(self, job: Job, delivery: Delivery, received: Received, result: AtAnother | Dangerous) -> None:
        """Handle the delivery later. It takes no thread meanwhile, since another handler's call may take long."""
        if self._is_ending:
            if not job.handling.handler.ordered:
                self.intake.give_back([delivery.tag])
            return
        later, now = Job(job.handling, [delivery], [received]), time.monotonic()
        if isinstance(result, AtAnother):
            id = printable(letter_id(delivery.properties, delivery.body))
            logger.info("waiting event=%s handler=%s: it is being handled already", id, job.handling.handler.name)
            self._schedule.begin_at(later, now + LOOK_SECONDS)
        else:
            self._schedule.begin_alone(later, now, has_failed=job.is_solitary)

    def _hold_for_next_attempt(self, job: Job, result: Failed | GivenBack) -> None:
        """An event of an ordered handler waits here, unacknowledged: in a retry queue it would lose its place.

        At the end of the process it goes back to its queue with all that is unacknowledged.
        """
        if self._is_ending or isinstance(result, GivenBack):
            return
        last = result.received
        again = replace(last, attempt=last.attempt + 1, first_failed_at=retry_headers(last, 0)[FIRST_FAILED_AT])
        job, until = replace(job, received=[again]), time.monotonic() + result.after
        self.subscriptions[job.deliveries[0].queue].wait(job, until)
        self._schedule.begin_at(job, until)

    def _settled(self, job: Job) -> None:
        """For an ordered handler: begin the next event with the same key."""
        if job.handling.handler.ordered:
            following = self.subscriptions[job.deliveries[0].queue].next_after(job)
            if following is not None and not self._is_ending:
                self._schedule.begin(following)

    def _pause(self, subscription: Subscription, queue: str) -> None:
        if subscription.paused_until is None:
            logger.error("paused queue=%s seconds=%g: nearly all attempts fail", queue, PAUSE_SECONDS)
            subscription.paused_until = time.monotonic() + PAUSE_SECONDS
            # An ordered queue is still consumed: else another process would get the events behind those that wait here.
            if not subscription.handler.ordered:
                self.intake.pause(queue)
            self._schedule.reconsider()

    def _resume(self, now: float) -> None:
        for queue, subscription in self.subscriptions.items():
            if subscription.paused_until is not None and subscription.paused_until <= now:
                logger.info("resumed queue=%s", queue)
                subscription.paused_until = None
                self.intake.resume(queue, self._prefetch_of(queue))

    def _is_empty(self) -> bool:
        # Ask the broker first: a delivery that arrives meanwhile is among the unacknowledged when these are looked at.
        return not any(self.inward.count_messages(queue) for queue in self.subscriptions) and not self.intake.unacked


def _without_ordered(jobs: Iterable[Job]) -> list[Job]:
    """The jobs of queues that are not ordered. Events of ordered queues keep their order: they go back when the
    connection ends, all together.
    """
    return [job for job in jobs if not job.handling.handler.ordered]
