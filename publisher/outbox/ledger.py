"""The state of an outbox, as `manage.py outbox` shows it."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.db import connections
from django.db.models import Min
from django.db.models.functions import Length

from publisher.models import OutboxEvent, RelayLease, UnroutableKey
from publisher.outbox.brief import briefly
from publisher.outbox.leases import leases
from publisher.outbox.parked import parked
from publisher.wire.event import milliseconds_of

# How many events are compared to find out whether two aliases are the same database.
MARKS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """An event that the broker refuses. `size` is that of its body in bytes."""

    id: int
    event: str
    routing_key: str
    size: int
    reason: str
    parked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unroutable:
    """A routing key without a queue: how many events were dropped, and how many are kept until a queue is bound."""

    routing_key: str
    dropped: int
    kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Which relay has a shard, and its recent events per second. `holder` is empty if no relay has it."""

    shard: int
    shards: int
    holder: str
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """What waits in the outbox of another database."""

    database: str
    pending: int
    oldest_seconds: float | None
    parked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """One outbox. `oldest_seconds` is the age of its oldest pending event; None when there is none.

    `elsewhere` has the other databases in which events wait, as far as they can be reached.
    """

    database: str
    pending: int
    oldest_seconds: float | None
    parked: tuple[Parked, ...]
    unroutable: tuple[Unroutable, ...]
    leases: tuple[Lease, ...]
    elsewhere: tuple[Elsewhere, ...]


def ledger(using: str) -> Ledger:
    pending = OutboxEvent.objects.using(using)
    return Ledger(
        database=using,
        pending=pending.count(),
        oldest_seconds=oldest_seconds(using),
        parked=tuple(
            Parked(
                id=row.id,
                event=row.message_id,
                routing_key=row.routing_key,
                size=row.size,
                reason=row.reason,
                parked_at=row.parked_at,
            )
            for row in parked(using).refused().annotate(size=Length("body")).defer("body")
        ),
        unroutable=_unroutable(using),
        leases=_leases(using),
        elsewhere=tuple(_elsewhere(using)),
    )


def _elsewhere(using: str) -> Iterator[Elsewhere]:
    """The other databases in which events wait, since system checks cannot foresee all databases that get events."""
    here = _marks(using)
    for alias in connections:
        # Errors of another database (no driver, no server, no outbox) are ignored: the user has not asked for it.
        with suppress(Exception), briefly(alias):
            if alias == using or here & _marks(alias):
                continue
            waiting = Elsewhere(
                database=alias,
                pending=OutboxEvent.objects.using(alias).count(),
                oldest_seconds=oldest_seconds(alias),
                parked=parked(alias).count(),
            )
            if waiting.pending or waiting.parked:
                yield waiting


def _marks(using: str) -> frozenset[str]:
    """Values that two aliases only share if one is a replica of the other, or both are the same database."""
    holders = leases(using).exclude(holder="").values_list("holder", flat=True)
    events = OutboxEvent.objects.using(using).values_list("message_id", flat=True)[:MARKS]
    return frozenset((*holders, *events))


def oldest_seconds(using: str) -> float | None:
    """The age of the oldest pending event in seconds; None when there is none.

    It counts from when the signal was sent or, for a parked event, from when it was put back: the relay puts kept
    events back now and then, to try whether a queue is bound by now.
    """
    pending = OutboxEvent.objects.using(using)
    oldest = pending.filter(put_back_at=None).values_list("id", "message_id").first()
    put_back = pending.exclude(put_back_at=None)
    # Only those with a lower id than `oldest`, since the others may be very many.
    before = put_back.filter(id__lt=oldest[0]) if oldest else put_back
    first = before.aggregate(first=Min("put_back_at"))["first"]
    since = [first.timestamp()] if first else []
    if oldest and (made_at := milliseconds_of(oldest[1])) is not None:
        since.append(made_at / 1000)
    return round(max(0.0, time.time() - min(since)), 3) if since else None


def _unroutable(using: str) -> tuple[Unroutable, ...]:
    """Routing keys without a queue, those with the most events first."""
    dropped = dict(UnroutableKey.objects.using(using).values_list("routing_key", "count"))
    kept = parked(using).kept().count_by_key()
    keys = [
        Unroutable(routing_key=key, dropped=dropped.get(key, 0), kept=kept.get(key, 0))
        for key in dropped.keys() | kept.keys()
    ]
    return tuple(sorted(keys, key=lambda key: (-key.dropped - key.kept, key.routing_key)))


def _leases(using: str) -> tuple[Lease, ...]:
    """The leases, without rows of shards that no longer exist because the number of shards has changed."""
    alive = dict(leases(using).alive().values_list("shard", "shards"))
    return tuple(
        Lease(
            shard=row.shard,
            shards=row.shards,
            holder=row.holder if row.shard in alive else "",
            rate=round(row.rate, 1) if row.shard in alive else 0.0,
        )
        for row in RelayLease.objects.using(using).all()
        if not alive or row.shards in alive.values()
    )
