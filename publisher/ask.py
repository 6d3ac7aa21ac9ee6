"""`delivery: "ask"`: the sender waits for a handler's answer, for a limited time.

A process has one connection for questions, in a thread of its own (`ask_thread.py`). Both start with the first
question, so after any fork. A thread that asks leaves its question with that thread and waits for the answer.
"""

import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from publisher import counters
from publisher.fuse import Fuse
from publisher.wire import codec

logger = logging.getLogger(__name__)

END_SECONDS = 2.0
ANSWERED, LATE, AWAY, UNROUTABLE, FAILED, PAUSED = "answered", "late", "away", "unroutable", "failed", "paused"
# Outcomes after which other questions are likely to fail too.
BLOWING = frozenset((LATE, AWAY))


class Asked(NamedTuple):
    """A question on its way, with the slot in which its sender waits."""

    id: str
    type: str
    routing_key: str
    body: bytes
    deadline_ms: int
    slot: "Slot"


class Reply(msgspec.Struct, frozen=True):
    """What a handler sends back: its encoded answer, with the `types` to decode it, or in `error` why there is none."""

    answer: Any = None
    types: dict[str, str] = {}
    error: str | None = None

    @property
    def value(self) -> Any:
        """The decoded answer. May raise anything, since a decoder may."""
        return codec.decode(self.answer, self.types, "answer")


_replies = msgspec.json.Decoder(Reply)


def reply_in(body: bytes) -> Reply:
    """The reply in a message's body. Raises ValueError where the body is no reply."""
    return _replies.decode(body)


class Slot:
    """Where a thread waits for its answer: on a lock, which is the fastest way to wait with a timeout."""

    __slots__ = ("_lock", "outcome", "value")

    def __init__(self) -> None:
        self.outcome = LATE
        self.value: Any = None
        self._lock = threading.Lock()
        self._lock.acquire()

    def fill(self, outcome: str, value: Any = None) -> None:
        """Called at most once, by the line's thread, which has taken the slot out of `pending` before."""
        # The value is set first: the waiting thread may time out just now, and then reads the outcome without the lock.
        self.value = value
        self.outcome = outcome
        self._lock.release()

    def wait(self, seconds: float) -> None:
        self._lock.acquire(timeout=seconds)


class Line:
    """The queue between the threads that ask and the thread that talks to the broker."""

    def __init__(self) -> None:
        self.waiting: deque[Asked] = deque()
        self.pending: dict[str, Slot] = {}
        self.stop = threading.Event()
        self.is_doubtful = False
        self.news = threading.Event()
        self.wake: Callable[[], None] = self.news.set
        self._thread = threading.Thread(target=self._talk, name="signal-bridge-ask", daemon=True)
        self._thread.start()

    def ask(self, asked: Asked, seconds: float) -> None:
        """Returns when the slot is filled, or after `seconds`."""
        self.pending[asked.id] = asked.slot
        self.waiting.append(asked)
        self.wake()
        asked.slot.wait(seconds)
        self.pending.pop(asked.id, None)

    def settle(self, id: str, outcome: str, value: Any = None) -> None:
        """Give a waiting thread its outcome. An answer that comes too late finds no slot and is dropped."""
        slot = self.pending.pop(id, None)
        if slot is not None:
            slot.fill(outcome, value)

    def settle_all(self, outcome: str) -> None:
        """Give all waiting threads this outcome: they will get no answers."""
        self.waiting.clear()
        for id in list(self.pending):
            self.settle(id, outcome)

    def answered(self, id: str, body: bytes) -> None:
        if id not in self.pending:
            return
        try:
            reply = reply_in(body)
            if reply.error is None:
                self.settle(id, ANSWERED, reply.value)
                return
            logger.warning("ask failed event=%s: %s", id, reply.error)
        except Exception as exc:
            logger.warning("ask answered with what cannot be read event=%s: %s", id, type(exc).__name__)
        self.settle(id, FAILED)

    def doubt(self) -> None:
        """Have the connection tested, since it may be dead without having been closed."""
        self.is_doubtful = True
        self.wake()

    def close(self) -> None:
        self.stop.set()
        self.wake()
        self._thread.join(END_SECONDS)

    def _talk(self) -> None:
        # Not at the top: a web process that never asks does not import pika.
        from publisher.ask_thread import talk

        talk(self)


class Desk:
    """The questions of one process: its line, and for each signal a fuse that stops asking while nobody answers."""

    def __init__(self) -> None:
        self._line: Line | None = None
        self._lock = threading.Lock()
        self._fuses: dict[str, Fuse] = {}

    def ask(self, id: str, type: str, routing_key: str, body: bytes, *, seconds: float, default: Any) -> Any:
        """The handler's answer, or `default` when there is none within `seconds`. Never raises."""
        slot = Slot()
        asked_at = time.monotonic()
        with self._lock:
            fuse = self._fuses.setdefault(type, Fuse())
            is_allowed = fuse.allows(asked_at)
        if not is_allowed:
            return self._default(type, PAUSED, default)
        try:
            deadline_ms = int((time.time() + seconds) * 1000)
            self._open().ask(Asked(id, type, routing_key, body, deadline_ms, slot), seconds)
        except RuntimeError:
            slot.outcome = AWAY  # no thread can be started: the process is about to end
        outcome = slot.outcome
        with self._lock:
            is_blown = fuse.record(outcome not in BLOWING, time.monotonic(), asked_at)
        if is_blown:
            logger.error("asking paused signal=%s: nobody answers, so senders get on_timeout", type)
            if self._line is not None:
                self._line.doubt()
        if outcome != ANSWERED:
            return self._default(type, outcome, default)
        counters.count(counters.ASKED + ANSWERED, type)
        return slot.value

    def close(self) -> None:
        if self._line is not None:
            self._line.close()

    def _open(self) -> Line:
        with self._lock:
            if self._line is None:
                self._line = Line()
                atexit.register(self._line.close)
            return self._line

    def _default(self, type: str, outcome: str, default: Any) -> Any:
        """Count the outcome, log it now and then, and return the default."""
        if counters.is_news(number := counters.count(counters.ASKED + outcome, type)):
            logger.warning("no answer signal=%s reason=%s, answered with on_timeout (%d so far)", type, outcome, number)
        return default


_desk = Desk()


@contextmanager
def at_desk(desk: Desk) -> Iterator[None]:
    """Have this desk handle all questions of the process inside the block."""
    global _desk
    before, _desk = _desk, desk
    try:
        yield
    finally:
        _desk = before


def ask(id: str, type: str, routing_key: str, body: bytes, *, seconds: float, default: Any) -> Any:
    return _desk.ask(id, type, routing_key, body, seconds=seconds, default=default)


def _forget() -> None:
    """Start anew in a forked child, which has a copy of the parent's connection, but not its thread."""
    global _desk
    abandoned, _desk = _desk, Desk()
    if abandoned._line is not None:
        atexit.unregister(abandoned._line.close)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
