"""`delivery: "direct"`: from the web process to the broker, at most once, and never in the request's way.

Events wait in a bounded buffer for one background thread (`direct_thread.py`). It starts with the first event, so after
any fork. Events that do not fit, or are left when the process ends, are dropped, counted and logged.
"""

import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from publisher import counters
from publisher.outbox.writing import after_commit

logger = logging.getLogger(__name__)

BUFFER_EVENTS = 10_000
BUFFER_BYTES = 32_000_000
LOG_SECONDS = 10.0
END_SECONDS = 2.0


class DirectEvent(NamedTuple):
    """What is published of an event that is not in an outbox."""

    message_id: str
    type: str
    routing_key: str
    body: bytes


class Buffer:
    """The queue between the threads that send signals and the thread that publishes. The latter sets `in_flight`."""

    def __init__(self, most: int = BUFFER_EVENTS, most_bytes: int = BUFFER_BYTES) -> None:
        self.most = most
        self.most_bytes = most_bytes
        self.dropped = 0
        self.in_flight = 0
        self.waiting: deque[DirectEvent] = deque()
        self.stop = threading.Event()
        self.news = threading.Event()
        self._bytes = 0
        # Reentrant: while it is held, the garbage collector may call a `__del__` that sends a signal.
        self._lock = threading.RLock()
        self._logged_at = float("-inf")
        self._thread: threading.Thread | None = None
        self._start()

    def _start(self) -> None:
        """Start the thread. If none can be started now, the events wait, and the next event tries again."""
        thread = threading.Thread(target=self._publish, name="signal-bridge-direct", daemon=True)
        try:
            thread.start()
        except RuntimeError as exc:
            logger.warning("direct events wait: %s", exc)
        else:
            self._thread = thread

    def put(self, event: DirectEvent) -> None:
        """Add an event, or drop it if there is no room. Never waits, never raises."""
        with self._lock:
            reason = self._why_not(len(event.body))
            if reason is None:
                self.waiting.append(event)
                self._bytes += len(event.body)
        if reason is not None:
            self.drop(1, reason, log=self._log_aside)
        else:
            if self._thread is None:
                self._start()
            self.news.set()

    def _why_not(self, size: int) -> str | None:
        """Why an event of this many bytes must be dropped; None if there is room for it."""
        if self.stop.is_set():
            return "the process has ended its direct delivery"
        if size > self.most_bytes:
            return (
                f"{size} bytes are more than the buffer holds: have the rule deliver to the outbox, or leave fields out"
            )
        if len(self.waiting) >= self.most or self._bytes + size > self.most_bytes:
            return "the buffer is full: is the broker away?"
        return None

    def take(self) -> DirectEvent:
        """Remove and return the event that has waited longest. Raises IndexError when none waits."""
        with self._lock:
            event = self.waiting.popleft()
            self._bytes -= len(event.body)
            return event

    def put_back(self, events: Sequence[DirectEvent]) -> None:
        """Put these events back at the front, in their order, even where the buffer is full."""
        with self._lock:
            self.waiting.extendleft(reversed(events))
            self._bytes += sum(len(event.body) for event in events)

    def drop(self, count: int, reason: str, *, last: bool = False, log: Callable[[str], None] | None = None) -> None:
        """Count dropped events, and log that now and then."""
        self.dropped += count
        counters.count(counters.DROPPED, "direct", count)
        if last or time.monotonic() - self._logged_at > LOG_SECONDS:
            self._logged_at = time.monotonic()
            (log or self._log)(reason)

    def _log(self, reason: str) -> None:
        logger.warning("direct events dropped=%d so far: %s", self.dropped, reason)

    def _log_aside(self, reason: str) -> None:
        """Log in another thread: here, a logging handler that saves rows would do so in the middle of a COMMIT."""
        try:
            threading.Thread(target=self._log, args=(reason,), name="signal-bridge-log", daemon=True).start()
        except RuntimeError:  # no thread can be started any more
            self._log(reason)

    def close(self) -> None:
        """Publish what is left, for at most two seconds."""
        with self._lock:
            self.stop.set()
        self.news.set()
        if self._thread is not None:
            self._thread.join(END_SECONDS)
        if left := len(self.waiting) + self.in_flight:
            self.waiting.clear()
            self.drop(left, "the process ended", last=True)

    def _publish(self) -> None:
        # Not at the top: a web process that delivers nothing directly does not import pika.
        from publisher.direct_thread import publish

        publish(self)


_buffer: Buffer | None = None
_lock = threading.RLock()


def send(event: DirectEvent, using: str) -> None:
    """Publish the event when the transaction on `using` commits; now if there is none."""
    after_commit(lambda: buffer().put(event), using)


def buffer() -> Buffer:
    """The buffer of this process, with its thread."""
    global _buffer
    with _lock:
        if _buffer is None:
            _buffer = Buffer()
            atexit.register(_buffer.close)
        return _buffer


def _forget() -> None:
    """Start anew in a forked child: it does not have the thread, and the parent publishes the events that waited."""
    global _buffer, _lock
    if _buffer is not None:
        atexit.unregister(_buffer.close)
    _buffer, _lock = None, threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
