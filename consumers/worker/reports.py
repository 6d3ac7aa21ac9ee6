"""Logs one line for each delivery, with its outcome."""

import logging
import time
from datetime import timedelta

from consumers.handling.results import Dead, Done, Failed, Handled, Result
from consumers.headers import EXCEPTION, WHERE
from publisher.wire.event import Event
from publisher.wire.glance import origin_of
from publisher.wire.ids import told
from publisher.wire.intake import Delivery
from publisher.wire.origin import originating
from publisher.wire.printable import printable
from publisher.wire.shelf import letter_id

logger = logging.getLogger("consumers.worker")

MILLISECOND = timedelta(milliseconds=1)


def report(handler: str, delivery: Delivery, result: Result, began: float) -> None:
    """`began` is when the job began, by the monotonic clock. Nothing is logged of an event that was handled before, or
    was not for the handler.
    """
    if isinstance(result, Done):
        if result.event is not None and logger.isEnabledFor(logging.INFO):
            with originating(result.event):
                _report_done(handler, result.event, result, began)
    elif isinstance(result, Failed | Dead):
        id = printable(letter_id(delivery.properties, delivery.body))
        origin = origin_of(delivery.body, id)
        with originating(origin):
            _report_failed(handler, f"{id}{told(origin)}", result)


def _report_done(handler: str, event: Event, result: Done, began: float) -> None:
    done = "handled" if isinstance(result, Handled) else "answered"
    logger.info("%s event=%s%s handler=%s type=%s key=%s lag_ms=%.1f ms=%.1f", done, printable(event.id), told(event),
                handler, printable(event.type), printable(event.routing_key), (result.lag or timedelta()) / MILLISECOND,
                (time.monotonic() - began) * 1000)  # fmt: skip


def _report_failed(handler: str, ids: str, result: Failed | Dead) -> None:
    if isinstance(result, Failed):
        logger.warning("failed event=%s handler=%s attempt=%d next_seconds=%.1f: %s", ids, handler,
                       result.received.attempt, result.after, _at(result.exception, result.where))  # fmt: skip
    else:
        logger.error("dead event=%s handler=%s reason=%s: %s", ids, handler, result.reason,
                     _at(result.headers[EXCEPTION], result.headers[WHERE]))  # fmt: skip


def _at(exception: str, where: str) -> str:
    return f"{exception} ({where})" if where else exception
