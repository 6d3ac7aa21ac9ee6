"""One pair of connections' worth of consuming: dispatch what comes, settle what became of it."""

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
from consumers.worker.held import Held
from consumers.worker.outlet import Outlet, Way
from consumers.worker.pool import Job, Pool, identity
from consumers.worker.solitary import Solitary
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
    """Used by the I/O thread alone. A delivery is acknowledged after what became of it is safe, never before."""

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
        self._finished: list[int] = []
        self._checked_at = time.monotonic()
        self._held = Held()
        self._solitary = Solitary()
        # Events that came again while their handlers run.
        self._awaited: dict[tuple[str, bytes], list[Job]] = {}
        # Jobs in the pool, or done there and not yet settled.
        self._begun = 0
        self._is_ending = False
        # What goes back as new once no more is taken: it would come here at once, and count as given out before.
        self.given_back: list[tuple[Delivery, str]] = []
        # What was on its way when no more was to be taken.
        self._late: list[Job] = []
        # Tags of what goes back while its handler runs.
        self._left_behind: set[int] = set()
        self._has_batches = any(subscription.handler.batch for subscription in subscriptions.values())
        self.intake = Intake(inward, self._arrived)
        self._prefetch_of = prefetch_of
        for queue, subscription in subscriptions.items():
            # A pause outlasts the connection that it began on.
            if subscription.paused_until is None or subscription.handler.ordered:
                self.intake.consume(queue, prefetch_of(queue))

    def serve(self, stop: Flag, until_empty: bool) -> None:
        """Until `stop`, or until the queues are empty."""
        while not stop.is_set():
            self.turn(self._poll_seconds())
            if until_empty and self._is_empty():
                return

    def take_no_more(self) -> None:
        """For good, but of the ordered queues."""
        self._is_ending = True
        self.intake.cancel(queue for queue, each in self.subscriptions.items() if not each.handler.ordered)

    def not_begun(self) -> list[Job]:
        """Those that no thread will begin any more. Not of the ordered queues."""
        cleared = (job for subscription in self.subscriptions.values() for job in subscription.clear())
        return _free([*self._taken_back(), *self._held, *self._solitary.clear(), *cleared, *self._late])

    @property
    def left(self) -> int:
        """How many jobs have not ended here."""
        return self._begun + len(self._awaited)

    def leave(self) -> list[Job]:
        """Those that run, and what becomes of them is not looked at any more. Not of the ordered queues."""
        running = (job for job in self.pool.running() if job.deliveries[0].intake is self.intake)
        # What runs since an earlier connection has come again with this one.
        come_again = (job for jobs in self._awaited.values() for job in jobs)
        left = _free([*running, *come_again])
        self._left_behind.update(delivery.tag for job in left for delivery in job.deliveries)
        self._awaited.clear()
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
            self._begin_due(now)
        if now - self._checked_at >= CHECK_SECONDS:
            self._checked_at = now
            self._on_turn()

    def _poll_seconds(self) -> float:
        if self._has_batches:
            return BATCH_POLL_SECONDS
        if (next_at := self._held.next_at) is None:
            return POLL_SECONDS
        return min(POLL_SECONDS, max(0.0, next_at - time.monotonic()))

    def _arrived(self, delivery: Delivery) -> None:
        event = received_of(delivery)
        if self._is_ending:
            self._late.append(Job(self.subscriptions[delivery.queue].handling, [delivery], [event]))
            return
        if event.due_at and not is_due(event.due_at, time.time()):
            self.outlet.wait(delivery, event.due_at - time.time(), {})
            return
        job = self.subscriptions[delivery.queue].arrived(delivery, event)
        if job is None:
            return
        if delivery.redelivered and self.pool.is_at(delivery):
            # The connection was lost while its handler ran on: what becomes of that call is what becomes of it.
            self._awaited.setdefault(identity(delivery), []).append(job)
        else:
            self._begin(job)

    def _begin(self, job: Job) -> None:
        """Now, or once its wait and its subscription's pause are over, or in its turn to be alone."""
        subscription = self.subscriptions[job.deliveries[0].queue]
        until = subscription.waits_until(job)
        if until > time.monotonic():
            self._held.add(job, until)
        elif job.received[0].is_dangerous and not job.is_solitary:
            self._solitary.add(job, time.monotonic())
        else:
            subscription.begun(job)
            self._solitary.begun(job)
            self._begun += 1
            self.pool.put(job)

    def _taken_back(self) -> list[Job]:
        """Those that no thread has begun."""
        taken = self.pool.take_back()
        self._begun -= len(taken)
        for job in taken:
            self._solitary.left(job)
        return taken

    def _settle(self, now: float) -> None:
        for job, results in self.pool.done():
            if job.deliveries[0].intake is not self.intake:
                self._settle_awaited(job, results)
                continue
            self._begun -= 1
            self._solitary.left(job)
            for delivery, of_it, result in zip(job.deliveries, job.received, results, strict=True):
                if delivery.tag not in self._left_behind:
                    self._became(job, delivery, of_it, result)
        for way in self.outlet.confirmed(now):
            self._finished.append(way.delivery.tag)
            if way.job is not None:
                self._left(way.job)
        if self._finished:
            self.intake.ack(self._finished)
            self._finished.clear()
        for queue, subscription in self.subscriptions.items():
            if subscription.breaker.opens(now):
                self._pause(subscription, queue)

    def _settle_awaited(self, job: Job, results: Sequence[Result]) -> None:
        """An earlier connection's: the broker has given it out again, which may have been to this process."""
        for delivery, result in zip(job.deliveries, results, strict=True):
            for again in self._awaited.pop(identity(delivery), ()):
                self._became(again, again.deliveries[0], again.received[0], result)

    def _became(self, job: Job, delivery: Delivery, of_it: Received, result: Result) -> None:
        subscription = self.subscriptions[delivery.queue]
        if isinstance(result, AtAnother | Dangerous):
            self._not_now(job, delivery, of_it, result)
            return
        subscription.breaker.ended(is_failed=is_a_failure(result))
        if isinstance(result, Handled):
            self._finished.append(delivery.tag)
            self._left(job)
        elif subscription.handler.ordered and isinstance(result, Failed | GivenBack):
            self._hold_for_next_attempt(job, result)
        elif isinstance(result, Failed):
            self.outlet.wait(delivery, result.after, retry_headers(of_it, result.after), job)
        elif isinstance(result, Dead):
            self.outlet.bury(delivery, result.headers, job)
        elif self._is_ending:
            self.outlet.put_anew(delivery, of_it.routing_key)
        else:
            self.given_back.append((delivery, of_it.routing_key))

    def _reject(self, way: Way) -> None:
        """It cannot be published any more, but its queue's own dead-lettering takes it."""
        if way.is_as_new:
            # What nobody had goes back all the same.
            self.intake.give_back([way.delivery.tag])
            return
        id, size = printable(letter_id(way.delivery.properties, way.delivery.body)), len(way.message.body)
        logger.error("rejected event=%s queue=%s: its %d bytes are more than the broker takes", id, way.delivery.queue,
                     size)  # fmt: skip
        self.intake.reject([way.delivery.tag])
        if way.job is not None:
            self._left(way.job)

    def _not_now(self, job: Job, delivery: Delivery, of_it: Received, result: AtAnother | Dangerous) -> None:
        """Later, and not in a thread that others need: it may take as long as a handler runs, here or elsewhere."""
        again, now = Job(job.handling, [delivery], [of_it]), time.monotonic()
        if self._is_ending:
            if not job.handling.handler.ordered:
                self.intake.give_back([delivery.tag])
        elif isinstance(result, AtAnother):
            self._look_again(again, now + LOOK_SECONDS)
        elif job.is_solitary:
            self._solitary.add_again(again, now)
        else:
            self._solitary.add(again, now)

    def _look_again(self, job: Job, at: float) -> None:
        (delivery,) = job.deliveries
        logger.info("waiting event=%s handler=%s: it is being handled already",
                    printable(letter_id(delivery.properties, delivery.body)), job.handling.handler.name)  # fmt: skip
        self._held.add(job, at)

    def _hold_for_next_attempt(self, job: Job, result: Failed | GivenBack) -> None:
        """An ordered handler's event, in its place: at the end of the process that is its queue's, not a wait's."""
        if self._is_ending or isinstance(result, GivenBack):
            return
        last = result.received
        again = replace(last, attempt=last.attempt + 1, first_failed_at=retry_headers(last, 0)[FIRST_FAILED_AT])
        job, until = replace(job, received=[again]), time.monotonic() + result.after
        self.subscriptions[job.deliveries[0].queue].wait(job, until)
        self._held.add(job, until)

    def _left(self, job: Job) -> None:
        if job.handling.handler.ordered:
            following = self.subscriptions[job.deliveries[0].queue].left(job)
            if following is not None and not self._is_ending:
                self._begin(following)

    def _begin_due(self, now: float) -> None:
        self.outlet.offer_again(now)
        for job in self._held.released(now):
            self._begin(job)
        if (solitary := self._solitary.due(now, is_idle=not self._begun)) is not None:
            # What was done before does not come back with it.
            self.intake.wait_for_acks()
            self._begin(solitary)
        if self._has_batches:
            for subscription in self.subscriptions.values():
                if (batch := subscription.due_batch()) is not None:
                    self._begin(batch)

    def _pause(self, subscription: Subscription, queue: str) -> None:
        if subscription.paused_until is None:
            logger.error("paused queue=%s seconds=%g: nearly all attempts fail", queue, PAUSE_SECONDS)
            subscription.paused_until = time.monotonic() + PAUSE_SECONDS
            # An ordered queue would go to another process, and what comes behind with it: it waits here.
            if not subscription.handler.ordered:
                self.intake.pause(queue)
            # Those of the paused one wait here, too.
            for job in self._taken_back():
                self._begin(job)

    def _resume(self, now: float) -> None:
        for queue, subscription in self.subscriptions.items():
            if subscription.paused_until is not None and subscription.paused_until <= now:
                logger.info("resumed queue=%s", queue)
                subscription.paused_until = None
                self.intake.resume(queue, self._prefetch_of(queue))

    def _is_empty(self) -> bool:
        # In this order: what comes while the broker counts is unacknowledged after that.
        return not any(self.inward.count_messages(queue) for queue in self.subscriptions) and not self.intake.unacked


def _free(jobs: Iterable[Job]) -> list[Job]:
    """Of ordered queues each has its place, and leaves it with the connection."""
    return [job for job in jobs if not job.handling.handler.ordered]
