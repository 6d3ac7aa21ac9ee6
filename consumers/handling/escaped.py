"""Deals with exceptions that escape from the handling itself, because of a bug in it: the worker goes on."""

import logging
from contextlib import suppress

from consumers.handling.handling import Handling
from consumers.handling.received import Received
from consumers.handling.results import Result, dead, name_of
from publisher.raised import where

logger = logging.getLogger("consumers.worker")


def result_of(exc: BaseException, handling: Handling, received: Received) -> Result:
    """The outcome as if the handler had raised this; a dead letter if deciding that fails as well.

    Without an outcome the event would stay unacknowledged until the worker ends.
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
    """Log it. Logging may itself be what raises, by a filter of the project."""
    with suppress(Exception):
        logger.error("escaped handler=%s: %s (%s)", handling.handler.name, name_of(exc), where(exc))
