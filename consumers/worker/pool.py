"""Threads that call handlers. The I/O thread gives them jobs, and collects the results."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from queue import Empty, SimpleQueue

from django.core.cache import caches
from django.db import close_old_connections, connections

from consumers.exceptions import HandlerTooSlow
from consumers.handling import escaped
from consumers.handling.connections import drop_all, have_errors, tidy
from consumers.handling.results import Dangerous, Result
from consumers.worker.gate import ALONE_SECONDS, Gate
from consumers.worker.job import Job, identity, ids_of
from consumers.worker.limits import Running
from consumers.worker.measures import measure
from consumers.worker.reports import report
from publisher.wire.intake import Delivery

logger = logging.getLogger("consumers.worker")

IDLE_SECONDS = 60.0


class Pool:
    """Calls handlers in a number of threads. A thread calls `wake` when `done` has something new."""

    def __init__(self, threads: int, wake: Callable[[], None]) -> None:
        self._done: deque[tuple[Job, Sequence[Result]]] = deque()
        self._wake = wake
        # Whether `wake` was called since the last call of `done`.
        self._is_told = False
        self._waiting: SimpleQueue[Job | None] = SimpleQueue()
        self._gate = Gate()
        self._running: dict[int, Running] = {}
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, name=f"handler-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def put(self, job: Job) -> None:
        self._waiting.put(job)

    def done(self) -> Iterator[tuple[Job, Sequence[Result]]]:
        """The jobs that have ended since the last call, each with the results of its deliveries."""
        self._is_told = False
        while self._done:
            yield self._done.popleft()

    def running(self) -> list[Job]:
        """The jobs that threads are handling."""
        return [running.job for running in list(self._running.values())]

    def is_at(self, delivery: Delivery) -> bool:
        """Whether a thread is handling the same event, delivered over an earlier connection."""
        return any(
            one.intake is not delivery.intake and identity(one) == identity(delivery)
            for job in self.running()
            for one in job.deliveries
        )

    def take_back(self) -> list[Job]:
        """Remove the jobs that no thread has begun, and return them."""
        taken = []
        try:
            while True:
                job = self._waiting.get_nowait()
                if job is not None:
                    taken.append(job)
        except Empty:
            return taken

    def close(self, timeout_seconds: float) -> None:
        """Let the threads end, and wait for them. A thread whose handler does not return in time is left running."""
        deadline = time.monotonic() + timeout_seconds
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def watch(self) -> None:
        """Apply the time limits of the calls that run."""
        now = time.monotonic()
        with self._lock:
            for thread, running in list(self._running.items()):
                running.watch(thread, now)

    def _work(self) -> None:
        # Django keeps cache clients in the context. They are made here, so each event's copy of the context has them.
        _tried(caches.all)
        tended_at = time.monotonic()
        while (job := self._next()) is not None:
            now = time.monotonic()
            if now - tended_at > IDLE_SECONDS or have_errors():
                _tried(close_old_connections)
                tended_at = now
            results = self._run(job)
            _tried(tidy)
            self._done.append((job, results))
            if not self._is_told:
                # Once for many jobs: to wake the I/O thread takes longer than a quick handler.
                self._is_told = True
                self._wake()
        _tried(connections.close_all)

    def _next(self) -> Job | None:
        while True:
            try:
                return self._waiting.get(timeout=IDLE_SECONDS)
            except Empty:
                # By the time that this thread needs a connection again, the database may have dropped it.
                _tried(connections.close_all)

    def _run(self, job: Job) -> Sequence[Result]:
        began = time.monotonic()
        try:
            results = self._called(threading.get_ident(), job)
        except BaseException as exc:
            results = [escaped.result_of(exc, job.handling, each) for each in job.received]
        try:
            for delivery, result in zip(job.deliveries, results, strict=True):
                measure(job.handling.subscription, result, began)
                report(job.handling.handler.name, delivery, result, began)
        except Exception as exc:
            escaped.tell(exc, job.handling)
        return results

    def _called(self, thread: int, job: Job) -> Sequence[Result]:
        # Noted before the job waits for other handlers, since it is in this thread already: see `is_at`.
        running = self._running[thread] = Running(job)
        if job.is_solitary:
            with self._gate.alone() as is_alone:
                if is_alone:
                    logger.warning("alone handler=%s event=%s: its call may have ended a process; other handlers "
                                   "wait, for %g seconds at most", job.handling.handler.name, ids_of(job),
                                   ALONE_SECONDS)  # fmt: skip
                return self._noted(thread, running, _result_alone if is_alone else _not_now)
        self._gate.enter(thread)
        try:
            return self._noted(thread, running, _results)
        finally:
            self._gate.leave(thread)

    def _noted(self, thread: int, running: Running, call: Callable[[Job], Sequence[Result]]) -> Sequence[Result]:
        running.began = time.monotonic()
        try:
            # In a copy of the context: what a handler sets there, as the language, must not reach the next one.
            return copy_context().run(call, running.job)
        finally:
            if running.job.handling.handler.hard_seconds is None:
                del self._running[thread]
            else:
                self._forget(thread)
                if running.ended_at is not None:
                    # HandlerTooSlow may have interrupted Django itself, so its connections cannot be trusted.
                    _tried(drop_all)

    def _forget(self, thread: int) -> None:
        """Remove the call, so that `watch` cannot end it any more. HandlerTooSlow may still be raised until then."""
        while True:
            try:
                with self._lock:
                    self._running.pop(thread, None)
                return
            except HandlerTooSlow:
                continue  # raised just after the handler had returned


def _tried(tidies: Callable[[], object]) -> None:
    """Tidy up between two jobs. An error, as of a database's driver, is only logged, so that the thread goes on."""
    try:
        tidies()
    except Exception as exc:
        escaped.tell_of_tidying(exc)


def _results(job: Job) -> Sequence[Result]:
    """Handle a batch, or one event. A batch handler gets an event by itself if it failed before, or was redelivered."""
    first = job.received[0]
    if job.handling.handler.batch and not first.is_alone:
        return job.handling.together(job.received)
    return [job.handling.beside_others(first)]


def _result_alone(job: Job) -> Sequence[Result]:
    return [job.handling.alone(job.received[0])]


def _not_now(job: Job) -> Sequence[Result]:
    return [Dangerous()]
