"""Encodes an order in both ways that are compared, in the process that measures."""

import time
from collections.abc import Callable

from django.core import serializers

from bench.events import encoder
from bench.models import ForwardedOrder, values


def measure(rounds: int, times: int) -> dict[str, list[float]]:
    """Seconds an encoding, of each round; every round does both."""
    encode = encoder()
    order = ForwardedOrder(pk=42, **values(42))
    ways: dict[str, Callable[[], object]] = {
        "event": lambda: encode(order),
        "serializers": lambda: serializers.serialize("json", [order]),
    }
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, encode_once in ways.items():
            began = time.perf_counter()
            for _ in range(times):
                encode_once()
            taken[way].append((time.perf_counter() - began) / times)
    return taken
