"""How a process that talks to the broker starts: it sets up a log, and connects however long that takes."""

import logging
from collections.abc import Callable
from threading import Event as Flag

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
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def log_to_stderr() -> None:
    """Log to stderr if the project has not set up logging, since a silent process looks as if it hangs."""
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)


def connect_patiently(
    url: Callable[[], str], name: str, *, stop: Flag, loop: Loop, on_attempt: Callable[[], None] = lambda: None
) -> Connection | None:
    """Connect, however long that takes; None once `stop` is set. `url` is called for each attempt.

    Logs once that it waits, and once that it is connected. Raises BrokerRefused when waiting would not help.
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
