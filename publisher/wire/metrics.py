"""Metrics of OpenTelemetry, in a process that has it: it is not imported to find out."""

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from publisher.wire.instruments import Instruments


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """A number that is looked up whenever metrics are collected, in a thread of the SDK's; None when it cannot be."""

    name: str
    unit: str
    description: str
    value: Callable[[], float | None]


@cache
def instruments() -> "Instruments | None":
    """None where nobody has imported OpenTelemetry's metrics, as whoever sets them up does.

    It is decided when the relay begins, or the first event was handled, and holds for the whole process.
    """
    if "opentelemetry.metrics" not in sys.modules:
        return None
    made: Instruments = import_module("publisher.wire.instruments").Instruments()
    return made
