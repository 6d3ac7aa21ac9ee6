"""Metrics of each delivery for OpenTelemetry: how long the event waited, and how long its handler took."""

import time

from consumers.handling.results import Dead, Done, Failed, Handled, Result
from consumers.headers import EXCEPTION
from publisher.wire.metrics import instruments


def measure(queue: str, result: Result, began: float) -> None:
    """`began` is when the job began, by the monotonic clock. Nothing is measured if the handler was not called."""
    measured = instruments()
    if measured is None:
        return
    seconds = time.monotonic() - began
    if isinstance(result, Done):
        if result.event is not None:
            outcome = "handled" if isinstance(result, Handled) else "answered"
            lag_seconds = None if result.lag is None else result.lag.total_seconds()
            measured.processed(queue, outcome, seconds=seconds, lag_seconds=lag_seconds)
    elif isinstance(result, Failed):
        measured.processed(queue, "failed", seconds=seconds, error=result.exception)
    elif isinstance(result, Dead):
        measured.processed(queue, "dead", seconds=seconds, error=result.headers[EXCEPTION] or result.reason)
