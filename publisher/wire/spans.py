"""Spans of OpenTelemetry, in a process that has it: it is not imported to find out."""

import sys
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from publisher.wire.telemetry import Creating, Processing


@cache
def are_made() -> bool:
    """Whether somebody has imported OpenTelemetry, as whoever sets it up does.

    It is decided when the first event is made, or the first handler made ready, and holds for the whole process.
    """
    return "opentelemetry.trace" in sys.modules


def creating(exchange: str, type: str) -> "Creating":
    """Makes events of a type."""
    made: Creating = _telemetry().Creating(exchange, type)
    return made


def processing(queue: str) -> "Processing":
    """What is around the handler of a queue."""
    made: Processing = _telemetry().Processing(queue)
    return made


def _telemetry() -> Any:
    return import_module("publisher.wire.telemetry")
