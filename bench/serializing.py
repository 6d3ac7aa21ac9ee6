"""Encodes an order in the ways that are compared, in the process that measures."""

import time
from collections.abc import Callable

from django.core import serializers

from bench.events import POST_SAVE, kwargs_of
from bench.models import ForwardedOrder, values
from publisher import conf
from publisher.catalogue.signals import matching
from publisher.events.body import Encoded
from publisher.events.dispatch import encoded_from
from publisher.events.snapshots import template_of
from publisher.events.source import Source


def measure(rounds: int, times: int) -> dict[str, list[float]]:
    """Seconds an encoding, of each round; every round does all, as the receiver does: it knows signal and rule."""
    order = ForwardedOrder(pk=42, **values(42))
    source = Source(next(iter(matching(POST_SAVE))), ForwardedOrder, conf.rules()[0], conf.service())

    def at_once() -> Encoded:
        return encoded_from(source, ForwardedOrder, kwargs_of(order))

    template = template_of(source, ForwardedOrder)
    assert template is not None
    template.learn(kwargs_of(order), at_once())

    def waiting() -> Encoded:
        snapshot = template.snapshot(kwargs_of(order))
        assert snapshot is not None
        return snapshot.encoded()

    ways: dict[str, Callable[[], object]] = {
        "event": waiting,
        "event at once": at_once,
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
