"""Gives access to OpenTelemetry metrics if the process uses them. It does not import OpenTelemetry to find out."""

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from publisher.wire.instruments import Instruments


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """A metric. A thread of the SDK calls `value` whenever metrics are collected; None means unknown now."""

    name: str
    unit: str
    description: str
    value: Callable[[], float | None]


@cache
def instruments() -> "Instruments | None":
    """The instruments; None if nobody has imported OpenTelemetry's metrics, which the project does to set them up.

    This is decided once for the process: when the relay starts, or after the first event was handled.
    """
    if "opentelemetry.metrics" not in sys.modules:
        return None
    made: Instruments = import_module("publisher.wire.instruments").Instruments()
    return made
