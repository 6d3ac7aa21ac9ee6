"""The time limits of a handler's call: over the soft one the log warns, over the hard one the call is ended."""

import ctypes
import logging

from consumers.exceptions import HandlerTooSlow
from consumers.handling import clock
from consumers.worker.job import Job, ids_of

logger = logging.getLogger("consumers.worker")

# A call that still runs so long after HandlerTooSlow was raised in it counts as stuck: in C code, most likely.
STUCK_SECONDS = 5.0


class Running:
    """A job in a thread of the pool. `began` is None while the job waits for others to let it run."""

    __slots__ = ("began", "clock", "ended_at", "is_stuck", "is_warned", "job")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.began: float | None = None
        self.clock = clock.set_up()
        # When HandlerTooSlow was raised in the call.
        self.ended_at: float | None = None
        self.is_warned = self.is_stuck = False

    def watch(self, thread: int, now: float) -> None:
        """Warn of the call in this thread, or end it, if it is over a limit. `now` is `time.monotonic()`."""
        handler = self.job.handling.handler
        if self._is_to_end(now):
            self.ended_at = now
            _raise_in(thread, HandlerTooSlow)
        elif self.ended_at is not None and not self.is_stuck and now - self.ended_at > STUCK_SECONDS:
            self.is_stuck = True
            logger.error("stuck handler=%s event=%s: over its hard limit, in a call that only the end of the process "
                         "ends; give it a timeout", handler.name, ids_of(self.job))  # fmt: skip
        seconds = 0.0 if self.began is None else now - self.began
        if seconds > handler.soft_seconds and not self.is_warned:
            self.is_warned = True
            logger.warning("slow handler=%s event=%s seconds=%.0f", handler.name, ids_of(self.job), seconds)

    def _is_to_end(self, now: float) -> bool:
        """Whether the call is over its hard limit, and does not end by itself, as that of a coroutine does."""
        handling = self.job.handling
        seconds = handling.handler.hard_seconds
        if seconds is None or self.ended_at is not None or handling.call.ends_itself:
            return False
        return self.clock.seconds(now) > seconds


def _raise_in(thread: int, kind: type[BaseException]) -> None:
    """Raise in another thread, before its next step in Python. Nothing else can end a call in a thread."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind))
