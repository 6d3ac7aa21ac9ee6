"""Ends a process on SIGTERM and SIGINT: in order, and at once on a second signal."""

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

# A second signal this soon means the same as the first: GNU timeout signals a process and its whole group, and after
# Ctrl-C a supervisor may signal too.
SAME_WISH_SECONDS = 2.0
STOPPING = (signal.SIGTERM, signal.SIGINT)

# The signals that came before `stopping_on_signals`. A list, since a threading.Event could deadlock: a second signal
# would wait for the lock that the handler of the first one holds.
_told_before: list[int] = []


def end_from_the_start() -> None:
    """For the time before and after `stopping_on_signals`: a signal ends the process with code 0 and no traceback."""
    for number in STOPPING:
        signal.signal(number, end_before_it_begins)
    # At the very end, Python restores the default action of signals, unless they are ignored.
    atexit.register(_ignore_signals)


def end_before_it_begins(number: int, frame: FrameType | None) -> None:
    """The signal handler until `stopping_on_signals` installs its own.

    It remembers the signal, because the exit may be lost: Python ignores exceptions in some callbacks.
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
    """SIGTERM and SIGINT set `stop`, for an orderly end. A second signal calls `at_once` and ends the process at once.

    But a signal within `same_wish_seconds` of the first one is ignored, even after the `with` block.

    A thread sets `stop`, because the main thread may be in `stop.wait()` and hold the lock that `set()` needs.
    """
    patient_until: float | None = None
    told: SimpleQueue[bool] = SimpleQueue()
    Thread(target=_set_when_told, args=(stop, told), name="signals", daemon=True).start()

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal patient_until
        if patient_until is None and not stop.is_set():
            # This comes first, since the next signal may arrive at any time.
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
        # After a signal, the handler stays until the process has ended, since further signals may come until then.
        if patient_until is None:
            for number, handler in before.items():
                signal.signal(number, handler)
        else:
            # At the very end, Python restores the default action of signals, unless they are ignored.
            atexit.register(_ignore_signals)
        told.put(False)
