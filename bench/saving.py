"""Saves orders in every way that is compared, in the process that measures."""

import gc
import time
from contextlib import nullcontext
from typing import NamedTuple

from django.db import connections, transaction
from django.db.models import Model

from bench.models import ForwardedOrder, Order, PlainOrder, values
from publisher.models import OutboxEvent

MODELS: dict[str, type[Order]] = {"plain": PlainOrder, "forwarded": ForwardedOrder}


class Way(NamedTuple):
    """`saves` in each transaction; 0 is autocommit."""

    model: type[Order]
    saves: int

    def seconds(self, using: str, transactions: int) -> float:
        """Of one save, making the instances not counted."""
        orders = [self.model(**values(number)) for number in range(transactions * max(self.saves, 1))]
        waiting = iter(orders)
        gc.collect()
        began = time.perf_counter()
        for _ in range(transactions):
            with transaction.atomic(using=using) if self.saves else nullcontext():
                for _ in range(max(self.saves, 1)):
                    next(waiting).save(using=using)
        return (time.perf_counter() - began) / len(orders)


WAYS = {
    f"{name} {label}": Way(model, saves)
    for label, saves in (("autocommit", 0), ("atomic 1", 1), ("atomic 10", 10))
    for name, model in MODELS.items()
}


def measure(using: str, rounds: int, transactions: int) -> dict[str, list[float]]:
    """Seconds a save, for each way to save, of each round; every round does all ways in turn."""
    for way in WAYS.values():
        way.seconds(using, transactions)
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        _empty(using)
        for name, way in WAYS.items():
            taken[name].append(way.seconds(using, transactions))
    return taken


def _empty(using: str) -> None:
    """Every round writes to tables of the same size."""
    models: tuple[type[Model], ...] = (OutboxEvent, *MODELS.values())
    with connections[using].cursor() as cursor:
        for model in models:
            cursor.execute(f"DELETE FROM {model._meta.db_table}")
