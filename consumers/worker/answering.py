"""Runs the handlers with ask=True, in threads and over a connection of their own: other handlers do not delay them."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from threading import Event as Flag
from threading import Thread

from consumers.bindings import queue_of, topology_of
from consumers.handler import Handler
from consumers.handling.received import received_of
from consumers.handling.results import Answered
from consumers.headers import ROUTING_KEY
from consumers.worker.asked import Asked, Question
from consumers.worker.job import Job
from consumers.worker.options import Settings, prefetch
from consumers.worker.pool import Pool
from publisher import conf
from publisher.wire.asking import Answer, Answerer, answer_to, asked_anew, deadline_of, failure
from publisher.wire.connection import Connection
from publisher.wire.errors import BrokerUnavailable
from publisher.wire.intake import Delivery, Intake
from publisher.wire.lifecycle import connect_patiently
from publisher.wire.loop import Loop
from publisher.wire.pause import Pause
from publisher.wire.sender import Outcome, Sender

logger = logging.getLogger("consumers.worker")

POLL_SECONDS = 1.0


class Answering:
    """Answers questions in a thread of its own, until `stop` is set. Does nothing if no handler has ask=True."""

    def __init__(self, handlers: Sequence[Handler], settings: Settings, stop: Flag) -> None:
        self.settings = settings
        self.stop = stop
        self.error: Exception | None = None
        self.topology = topology_of(handlers)
        self.asked: Mapping[str, Asked] = {
            queue: Asked(handler, queue, stop=stop, has_database=settings.has_database)
            for handler in handlers
            for queue in [queue_of(handler)]
        }
        self._thread = Thread(target=self._run, name="answering", daemon=True)

    def start(self) -> None:
        if self.asked:
            self._thread.start()

    def join(self, timeout_seconds: float) -> None:
        """Wait until the thread ends. Raises the error that ended it: BrokerRefused, or one that nobody expected."""
        if self.asked:
            self._thread.join(timeout_seconds)
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        with closing(Loop()) as loop:
            pool = Pool(self.settings.threads, loop.wake)
            pause = Pause(self.stop)
            while not self.stop.is_set():
                began = time.monotonic()
                try:
                    connection = connect_patiently(
                        conf.broker_url, "answer", stop=self.stop, loop=loop, on_attempt=pool.watch
                    )
                    if connection is not None:
                        with connection:
                            _Session(self, connection, pool).serve()
                except BrokerUnavailable as exc:
                    logger.warning("connection lost: %s", exc)
                    pause.after(began)
                except Exception as exc:
                    # End the process, so that a person notices. Otherwise questions would stay unanswered.
                    self.error = exc
                    self.stop.set()
                finally:
                    pool.take_back()
            pool.close(self.settings.grace_seconds)


class _Session:
    """Answering over one connection. Used by one thread."""

    def __init__(self, answering: Answering, connection: Connection, pool: Pool) -> None:
        self.answering = answering
        self.connection = connection
        self.pool = pool
        connection.declare(answering.topology)
        self._answerer = Answerer(connection)
        self._answers: list[Answer] = []
        self._finished: list[int] = []
        # Questions that arrived after `stop`.
        self._late: list[Delivery] = []
        self._is_ending = False
        self._intake = Intake(connection, self._arrived)
        for queue, asked in answering.asked.items():
            self._intake.consume(queue, prefetch(asked.handler, answering.settings))

    def serve(self) -> None:
        """Answer until `stop`. Then give back the questions that no handler has begun with, and answer the others."""
        logger.info("answering queues=%s", ",".join(self.answering.asked))
        while not self.answering.stop.is_set():
            self._turn(POLL_SECONDS)
        self._is_ending = True
        self._intake.cancel(self.answering.asked)
        self._give_back([*(job.deliveries[0] for job in self.pool.take_back()), *self._late])
        deadline = time.monotonic() + self.answering.settings.grace_seconds
        while self._intake.unacked and time.monotonic() < deadline:
            self._turn(0.1)
        if left := len(self._intake.unacked):
            logger.warning("not answered: handlers that are asked did not end in time: %d", left)

    def _give_back(self, deliveries: Iterable[Delivery]) -> None:
        """Send new copies of these questions. If requeued, they would count as redelivered: see `_arrived`."""
        sender: Sender[int] = Sender(self.connection)
        for delivery in deliveries:
            sender.send(delivery.tag, asked_anew(delivery, {ROUTING_KEY: received_of(delivery).routing_key}))
        sender.flush()
        self._intake.ack(tag for tag, outcome in sender.settled if outcome is Outcome.CONFIRMED)

    def _turn(self, seconds: float) -> None:
        self.connection.poll(seconds)
        self._intake.check()
        self._answerer.check()
        self.pool.watch()
        for job, results in self.pool.done():
            (delivery,), (result,) = job.deliveries, results
            if delivery.intake is self._intake:
                self._finish(delivery, result.body if isinstance(result, Answered) else None)
        if self._finished:
            self._answerer.answer(self._answers)
            self._answers.clear()
            self._intake.ack(self._finished)
            self._finished.clear()

    def _arrived(self, delivery: Delivery) -> None:
        if not answer_to(delivery, b""):
            logger.warning("not answered queue=%s: the message is no question, so nobody waits", delivery.queue)
            self._finish(delivery, None)
        elif delivery.redelivered:
            # The question may have killed the process that had it, and its sender waits: it is not tried again.
            self._finish(delivery, failure("the handler's process ended"))
        elif self._is_ending:
            self._late.append(delivery)
        else:
            question = Question(
                body=delivery.body,
                routing_key=received_of(delivery).routing_key,
                deadline=deadline_of(delivery),
                flaw=delivery.flaw,
            )
            self.pool.put(Job(self.answering.asked[delivery.queue], [delivery], [question]))

    def _finish(self, delivery: Delivery, body: bytes | None) -> None:
        answer = None if body is None else answer_to(delivery, body)
        if answer is not None:
            self._answers.append(answer)
        self._finished.append(delivery.tag)
