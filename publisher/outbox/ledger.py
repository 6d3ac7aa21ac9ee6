"""The state of an outbox, as people and programs want to see it."""

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

# Of the first so many events it is looked whether they are those of another alias.
MARKS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """An event that the broker will not take."""

    id: int
    event: str
    routing_key: str
    size: int
    reason: str
    parked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unroutable:
    """A routing key that no queue was bound to: events that were dropped, and those kept until one is."""

    routing_key: str
    dropped: int
    kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who relays a shard, and how many events a second it relayed lately. `holder` is empty for nobody."""

    shard: int
    shards: int
    holder: str
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """What waits in another database."""

    database: str
    pending: int
    oldest_seconds: float | None
    parked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """One outbox. `oldest_seconds` is the age of the oldest pending event; None when there is none.

    `elsewhere` has the other databases in which events wait, as far as can be told.
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
    """In all other databases: an event may be where no check foresees it, as that of an instance of whatever model."""
    here = _marks(using)
    for alias in connections:
        # No driver, nobody there, no outbox, forbidden by a test: whatever is wrong there, it was not asked about.
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
    """What no two databases have in common, unless one is a replica of the other, or its second alias."""
    holders = leases(using).exclude(holder="").values_list("holder", flat=True)
    events = OutboxEvent.objects.using(using).values_list("message_id", flat=True)[:MARKS]
    return frozenset((*holders, *events))


def oldest_seconds(using: str) -> float | None:
    """The age of the oldest pending event; None when there is none.

    From when its signal was sent, or from when it was put back: kept events are, for a moment, to see whether they lead
    somewhere by now.
    """
    pending = OutboxEvent.objects.using(using)
    oldest = pending.filter(put_back_at=None).values_list("id", "message_id").first()
    put_back = pending.exclude(put_back_at=None)
    # Those after it are of no use here, and may be very many to look through.
    before = put_back.filter(id__lt=oldest[0]) if oldest else put_back
    first = before.aggregate(first=Min("put_back_at"))["first"]
    since = [first.timestamp()] if first else []
    if oldest and (made_at := milliseconds_of(oldest[1])) is not None:
        since.append(made_at / 1000)
    return round(max(0.0, time.time() - min(since)), 3) if since else None


def _unroutable(using: str) -> tuple[Unroutable, ...]:
    """Those of the most events first."""
    dropped = dict(UnroutableKey.objects.using(using).values_list("routing_key", "count"))
    kept = parked(using).kept().count_by_key()
    keys = [
        Unroutable(routing_key=key, dropped=dropped.get(key, 0), kept=kept.get(key, 0))
        for key in dropped.keys() | kept.keys()
    ]
    return tuple(sorted(keys, key=lambda key: (-key.dropped - key.kept, key.routing_key)))


def _leases(using: str) -> tuple[Lease, ...]:
    """Without those of shards that are no more, where a relay has another number of them by now."""
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
