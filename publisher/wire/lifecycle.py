"""The life of a process that talks to the broker: patient connecting, and an orderly end."""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from types import FrameType

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from publisher.wire.connection import Connection
from publisher.wire.errors import BrokerUnavailable
from publisher.wire.loop import Loop

logger = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 4.0
# Who tells a process to end may tell it twice: GNU timeout itself and as one of its group, a supervisor after Ctrl-C.
SAME_WISH_SECONDS = 2.0
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def log_to_stderr() -> None:
    """Where the project has set up no logging: a process that says nothing cannot be told from one that hangs."""
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)


def connect_patiently(
    url: Callable[[], str], name: str, *, stop: Flag, loop: Loop, on_attempt: Callable[[], None] = lambda: None
) -> Connection | None:
    """A connection, however long that takes; None once `stop` is set. The URL is read anew for each attempt.

    Says once that it waits, and once that the wait is over. Raises BrokerRefused when waiting would not help.
    """
    attempts = Retrying(
        retry=retry_if_exception_type(BrokerUnavailable),
        wait=wait_random_exponential(multiplier=0.25, max=LONGEST_PAUSE_SECONDS),
        sleep=sleep_using_event(stop),
        stop=stop_when_event_set(stop),
        before=lambda state: on_attempt(),
        before_sleep=_say_once_that_it_waits,
        retry_error_callback=lambda state: None,
    )
    connection: Connection | None = attempts(lambda: Connection(url(), name, loop))
    if connection is not None:
        logger.info("connected broker=%s as=%s", connection.address, name)
    return connection


def _say_once_that_it_waits(state: RetryCallState) -> None:
    if state.attempt_number == 1 and state.outcome is not None:
        logger.warning("waiting for the broker: %s", state.outcome.exception())


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

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        # A process that was told is at its end, and may be told the same again until then.
        if patient_until is None:
            for number, handler in before.items():
                signal.signal(number, handler)
        told.put(False)
