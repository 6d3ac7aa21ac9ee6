"""Gives access to OpenTelemetry spans if the process uses them. It does not import OpenTelemetry to find out."""

import sys
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from publisher.wire.telemetry import Creating, Processing


@cache
def are_made() -> bool:
    """Whether somebody has imported OpenTelemetry, which the project does to set it up.

    This is decided once for the process: when the first event is made, or the first handler is set up.
    """
    return "opentelemetry.trace" in sys.modules


def creating(exchange: str, type: str) -> "Creating":
    """Wraps making events of this type in spans."""
    made: Creating = _telemetry().Creating(exchange, type)
    return made


def processing(queue: str) -> "Processing":
    """Wraps the handler of this queue in spans."""
    made: Processing = _telemetry().Processing(queue)
    return made


def _telemetry() -> Any:
    return import_module("publisher.wire.telemetry")
