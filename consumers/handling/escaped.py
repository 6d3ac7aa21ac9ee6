"""What becomes of deliveries when an exception escaped their handling: a fault there, and no reason to stop."""

import logging
from contextlib import suppress

from consumers.handling.handling import Handling
from consumers.handling.received import Received
from consumers.handling.results import Result, dead, name_of
from publisher.raised import where

logger = logging.getLogger("consumers.worker")


def result_of(exc: BaseException, handling: Handling, received: Received) -> Result:
    """As if the handler had raised it, or a dead letter where not even that can be decided.

    The thread that calls handlers goes on, and the event is settled: it would wait for its worker's end otherwise.
    """
    tell(exc, handling)
    try:
        return handling.failed(exc, received)
    except BaseException:
        return dead("failed", exc, received, handling.handler.name)


def tell_of_tidying(exc: BaseException) -> None:
    with suppress(Exception):
        logger.error("connections not tidied: %s (%s)", name_of(exc), where(exc))


def tell(exc: BaseException, handling: Handling) -> None:
    """In the log, which may be what raised: a filter of the project's own."""
    with suppress(Exception):
        logger.error("escaped handler=%s: %s (%s)", handling.handler.name, name_of(exc), where(exc))
