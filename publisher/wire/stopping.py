"""The end of a process that is told to end: in order, and at once where it is told again."""

import atexit
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from types import FrameType

# Who tells a process to end may tell it twice: GNU timeout itself and as one of its group, a supervisor after Ctrl-C.
SAME_WISH_SECONDS = 2.0
STOPPING = (signal.SIGTERM, signal.SIGINT)

# Signals that came before: no flag, whose lock a second one would find in the first one's hand.
_told_before: list[int] = []


def end_before_it_begins(number: int, frame: FrameType | None) -> None:
    """A signal's handler until `stopping_on_signals` has its own, which heeds it where the exit is lost: in a callback,
    Python ignores what is raised.
    """
    _told_before.append(number)
    sys.exit(0)


def _ignore_signals() -> None:
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def _set_when_told(stop: Flag, told: SimpleQueue[bool]) -> None:
    if told.get():
        stop.set()


@contextmanager
def stopping_on_signals(
    stop: Flag, *, same_wish_seconds: float = SAME_WISH_SECONDS, at_once: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop`, for an orderly end; a second one ends the process at once, after `at_once`.

    One within `same_wish_seconds` of the first says the same again, also where it comes after the `with`.

    A thread sets it: the main one may be in the middle of `stop.wait()`, with the lock in hand that `set()` takes.
    """
    patient_until: float | None = None
    told: SimpleQueue[bool] = SimpleQueue()
    Thread(target=_set_when_told, args=(stop, told), name="signals", daemon=True).start()

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal patient_until
        if patient_until is None and not stop.is_set():
            # Before `stop` is set: the next signal may come while it is.
            patient_until = time.monotonic() + same_wish_seconds
            told.put(True)
        elif patient_until is None or time.monotonic() >= patient_until:
            at_once()
            os._exit(128 + number)

    before = {number: signal.signal(number, on_signal) for number in STOPPING}
    if _told_before:
        on_signal(_told_before[0], None)
    try:
        yield
    finally:
        # A process that was told is at its end, and may be told the same again until then.
        if patient_until is None:
            for number, handler in before.items():
                signal.signal(number, handler)
        else:
            # In the last moments Python has given them their default action back, unless they are ignored.
            atexit.register(_ignore_signals)
        told.put(False)
