"""The worker's life: connections, and a session over them, again and again."""

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
    """What is loaded when the work begins stays until it ends: collections of garbage look at what came since alone.

    To go through all of Django again and again took a sixth of the time of a handler that does little.
    https://docs.python.org/3/library/gc.html#gc.freeze
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class Worker:
    """Handles what comes to these handlers' queues until `stop` is set, which may be done from any thread."""

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
        """Raises BrokerRefused where waiting for the broker would not help.

        Each session has two connections: one to take and acknowledge, one to publish, since an alarm of the broker
        stops it from reading whatever a publishing connection sends, acknowledgements too.
        """
        self.answering.start()
        with closing(self.loop), settled_in():
            try:
                self._sessions()
            finally:
                # Also where the broker refuses the next connection: handlers that run have their time to end.
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
                    self._was_late = True
                    logger.warning("taking %d event a thread ahead from now on", LEAST_PER_THREAD)
            finally:
                self._forget()
            pause.after(began)

    def grace_left(self) -> float:
        """Of all that is waited for at the end; threads that do nothing have a second to close their connections."""
        now = time.monotonic()
        if self._draining_since is None:
            self._draining_since = now
        return max(1.0, self._draining_since + self.settings.grace_seconds - now)

    def _session(self) -> bool:
        """True when the work is over, rather than the connection."""
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
                return True

    @property
    def _is_ordered(self) -> bool:
        return any(subscription.handler.ordered for subscription in self.subscriptions.values())

    def _look_on(self) -> None:
        """While the answering goes on, which is all there is to do."""
        while not self.settings.until_empty and not self.stop.wait(CHECK_SECONDS):
            self._is_alive()

    def prefetch_of(self, queue: str) -> int:
        return prefetch(self.subscriptions[queue].handler, self.settings, was_late=self._was_late)

    def _connect(self, name: str) -> Connection | None:
        return connect_patiently(conf.broker_url, name, stop=self.stop, loop=self.loop, on_attempt=self._is_alive)

    def _forget(self) -> None:
        """What the lost connection brought and nobody began, the broker gives out again."""
        self.pool.take_back()
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
