"""The worker: connects to the broker, runs a session, and starts again when the connection is lost."""

import gc
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from threading import Event as Flag
from threading import Thread

from consumers.bindings import queue_of, topology_of
from consumers.handler import Handler
from consumers.handling.handling import Handling
from consumers.inbox import prune
from consumers.worker.answering import Answering
from consumers.worker.drain import drain
from consumers.worker.options import LEAST_PER_THREAD, Settings, prefetch
from consumers.worker.pool import Pool
from consumers.worker.put_off import tell_put_off
from consumers.worker.session import CHECK_SECONDS, Session
from consumers.worker.subscription import Subscription
from publisher import conf
from publisher.alive import AliveFile
from publisher.wire.connection import Connection
from publisher.wire.errors import AcknowledgementOverdue, BrokerUnavailable, MessageRefused
from publisher.wire.lifecycle import connect_patiently
from publisher.wire.loop import Loop
from publisher.wire.pause import Pause

logger = logging.getLogger("consumers.worker")

PRUNE_SECONDS = 3600.0


@contextmanager
def settled_in() -> Iterator[None]:
    """Within this block, garbage collection ignores the objects that exist already: they all live until its end.

    To look through all objects of Django again and again took a sixth of a quick handler's time.
    https://docs.python.org/3/library/gc.html#gc.freeze
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class Worker:
    """Runs these handlers until `stop` is set, which any thread may do."""

    def __init__(self, handlers: Sequence[Handler], settings: Settings, stop: Flag) -> None:
        self.settings = settings
        self.stop = stop
        self._pruned_at = time.monotonic()
        self._was_late = False
        self._draining_since: float | None = None
        self.answering = Answering([handler for handler in handlers if handler.ask], settings, stop)
        handlers = [handler for handler in handlers if not handler.ask]
        self.topology = topology_of(handlers)
        self.alive = AliveFile(settings.alive_file)
        self.loop = Loop()
        self.pool = Pool(settings.threads, self.loop.wake)
        self.subscriptions = {
            queue: Subscription(Handling(handler, queue, stop=stop, has_database=settings.has_database))
            for handler in handlers
            for queue in [queue_of(handler)]
        }

    def run(self) -> None:
        """Run until `stop` is set, or, with `until_empty`, until the queues are empty. Raises BrokerRefused.

        Each session has two connections: one to take and acknowledge, one to publish. During an alarm the broker reads
        nothing from a connection that publishes, not even acknowledgements.
        """
        self.answering.start()
        with closing(self.loop), settled_in():
            try:
                self._sessions()
            finally:
                # Also if the broker refuses the next connection: handlers that run get their grace period.
                self.stop.set()
                self.pool.close(self.grace_left())
        self.answering.join(self.grace_left())

    def _sessions(self) -> None:
        pause = Pause(self.stop)
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                if self._session():
                    return
            except (BrokerUnavailable, MessageRefused) as exc:
                logger.warning("connection lost: %s", exc)
                if isinstance(exc, AcknowledgementOverdue) and not self._was_late:
                    self._take_less_ahead()
            finally:
                self._forget()
            pause.after(began)

    def _take_less_ahead(self) -> None:
        self._was_late = True
        if (asked := self.settings.prefetch) is None:
            logger.warning("taking %d event a thread ahead from now on", LEAST_PER_THREAD)
        else:
            logger.warning("an event waited here for too long: give a smaller --prefetch than %d", asked)

    def grace_left(self) -> float:
        """The seconds left of the grace period; at least one, so that idle threads can close their connections."""
        now = time.monotonic()
        if self._draining_since is None:
            self._draining_since = now
        return max(1.0, self._draining_since + self.settings.grace_seconds - now)

    def _session(self) -> bool:
        """Run one session. Returns True if the worker is to end; raises if the connection was lost."""
        if not self.subscriptions:
            self._look_on()
            return True
        inward = self._connect("consume")
        if inward is None:
            return True
        inward.says_goodbye = not self._is_ordered
        with inward:
            outward = self._connect("consume-publish")
            if outward is None:
                return True
            with outward:
                inward.declare(self.topology)
                session = Session(inward, outward, self.pool, self.subscriptions, self.prefetch_of, self._is_alive)
                logger.info("consuming queues=%s", ",".join(self.subscriptions))
                session.serve(self.stop, self.settings.until_empty)
                self._draining_since = time.monotonic()
                drain(session, self.settings.grace_seconds)
                if self.settings.until_empty:
                    tell_put_off(inward, conf.exchange())
                return True

    @property
    def _is_ordered(self) -> bool:
        return any(subscription.handler.ordered for subscription in self.subscriptions.values())

    def _look_on(self) -> None:
        """Stay alive while `answering` runs: there are only handlers with ask=True."""
        while not self.settings.until_empty and not self.stop.wait(CHECK_SECONDS):
            self._is_alive()

    def prefetch_of(self, queue: str) -> int:
        return prefetch(self.subscriptions[queue].handler, self.settings, was_late=self._was_late)

    def _connect(self, name: str) -> Connection | None:
        return connect_patiently(conf.broker_url, name, stop=self.stop, loop=self.loop, on_attempt=self._is_alive)

    def _forget(self) -> None:
        """Forget deliveries of a lost connection that were not begun: the broker delivers them again."""
        for job in self.pool.take_back():
            self.subscriptions[job.deliveries[0].queue].ended()
        for subscription in self.subscriptions.values():
            subscription.clear()

    def _is_alive(self) -> None:
        """Called about every second, and before each attempt to connect."""
        self.pool.watch()
        self.alive.touch()
        if self.settings.has_database and time.monotonic() - self._pruned_at > PRUNE_SECONDS:
            self._pruned_at = time.monotonic()
            Thread(target=prune, name="prune-inbox", daemon=True).start()
        if self.settings.supervisor is not None and os.getppid() != self.settings.supervisor:
            self.stop.set()
