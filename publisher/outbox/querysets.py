"""The verbs of the outbox's tables.

Not those of their managers: a process that only writes events starts sooner without.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from itertools import chain, takewhile
from typing import Any, NamedTuple

from django.db import IntegrityError, connections, models, transaction
from django.db.models import F, Q
from django.utils import timezone

from publisher import counters
from publisher.models import OutboxEvent, ParkedEvent, RelayLease, UnroutableKey
from publisher.outbox.digests import DigestOf, digest_in_sql, digest_of
from publisher.outbox.postgres import binary_rows, speaks_psycopg
from publisher.outbox.ranges import among, deletion, first_rows, literals, selection
from publisher.outbox.shards import ALL, Shards
from publisher.utc import UtcNow

logger = logging.getLogger(__name__)

BESIDE_THE_BODY = "id, message_id, type, routing_key, partitionkey, slot, keep_unroutable"
COLUMNS = f"{BESIDE_THE_BODY}, body"

# A body of so many bytes comes with its row; of larger ones, so many are fetched at a time, or else one.
SMALL_BYTES = 8_000
FETCHED_BYTES = 4_000_000
WAITING_COLUMNS = f"{BESIDE_THE_BODY}, CASE WHEN LENGTH(body) <= {SMALL_BYTES} THEN body END AS body"

ADDED_ROWS = 300

# A row as the database gives it; None stands for a body that did not come with it.
Found = tuple[Any, ...]


class WaitingRow(NamedTuple):
    """What the relay reads of an outbox event."""

    id: int
    message_id: str
    type: str
    routing_key: str
    partitionkey: str
    slot: int
    keep_unroutable: bool | None
    body: bytes | memoryview


class Batch(NamedTuple):
    """Rows that wait, in outbox order, and whether there may be more."""

    rows: list[WaitingRow]
    has_more: bool


class OutboxQuerySet(models.QuerySet[Any]):
    def waiting(self, besides: Collection[int], most: int, shards: Shards = ALL) -> Batch:
        """The first rows in outbox order, without those that are on their way, and as far as memory allows.

        Never `id > last`: a row becomes visible when its transaction commits, which may be after that of a later id.
        """
        found = self._fetch(first_rows(WAITING_COLUMNS, table(self), besides, int(most), shards.condition))
        rows = list(map(WaitingRow._make, self._whole(found)))
        return Batch(rows, has_more=len(found) == most or len(rows) < len(found))

    def _whole(self, found: list[Found]) -> list[Found]:
        """With the bodies that did not come with their rows, up to the first that has no room, or is gone."""
        large = [row[0] for row in found if row[-1] is None]
        if not large:
            return found
        bodies = self._bodies(large)
        filled = ((*row[:-1], bodies.get(row[0])) if row[-1] is None else row for row in found)
        return list(takewhile(lambda row: row[-1] is not None, filled))

    def _bodies(self, ids: Collection[int]) -> dict[int, Any]:
        """By id, of as many of these as there is room for."""
        sizes = self._fetch(f"SELECT id, LENGTH(body) FROM {table(self)} WHERE {among(ids)} ORDER BY id")
        if not sizes:
            return {}
        return dict(self._fetch(f"SELECT id, body FROM {table(self)} WHERE {among(fitting(sizes))}"))

    def _fetch(self, statement: str) -> list[Found]:
        connection = connections[self.db]
        if speaks_psycopg(connection):
            return binary_rows(connection, statement)
        with connection.cursor() as cursor:
            cursor.execute(statement)
            rows: list[Found] = cursor.fetchall()
            return rows

    def delete_by_id(self, ids: Collection[int]) -> None:
        if ids:
            with connections[self.db].cursor() as cursor:
                cursor.execute(deletion(table(self), ids, connections[self.db].vendor))

    def park(self, parked: "ParkedQuerySet", ids: Collection[int], kind: str, reason: str) -> None:
        """Take these rows out of the line, under their ids. What has one from before they began anew gives way."""
        if not ids:
            return
        try:
            self._move(parked, ids, kind, reason)
        except IntegrityError:
            with transaction.atomic(using=self.db):
                parked.give_way(self)
                self._move(parked, ids, kind, reason)

    def _move(self, parked: "ParkedQuerySet", ids: Collection[int], kind: str, reason: str) -> None:
        connection = connections[self.db]
        with transaction.atomic(using=self.db), connection.cursor() as cursor:
            digest = digest_in_sql(connection, "routing_key")
            cursor.execute(
                f"INSERT INTO {table(parked)} ({COLUMNS}, digest, kind, reason) "
                + selection(f"{COLUMNS}, {digest}, %s, %s", table(self), ids, connection.vendor),
                [kind, reason],
            )
            cursor.execute(deletion(table(self), ids, connection.vendor))


class ParkedQuerySet(models.QuerySet[Any]):
    def refused(self) -> "ParkedQuerySet":
        """Those that the broker will not take."""
        rows: ParkedQuerySet = self.filter(kind=ParkedEvent.Kind.REFUSED)
        return rows

    def kept(self) -> "ParkedQuerySet":
        """Those that wait until a queue is bound."""
        rows: ParkedQuerySet = self.filter(kind=ParkedEvent.Kind.UNROUTABLE)
        return rows

    def put_back(self, outbox: OutboxQuerySet) -> int:
        """Into the line again, where they were: their ids are the order. How many there were."""
        with transaction.atomic(using=self.db):
            ids = list(self.select_for_update().values_list("id", flat=True))
            try:
                self._move(outbox, ids)
            except IntegrityError:
                lower = parked(self.db).give_way(outbox)
                self._move(outbox, [number - lower for number in ids])
        return len(ids)

    def _move(self, outbox: OutboxQuerySet, ids: list[int]) -> None:
        connection = connections[self.db]
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        with transaction.atomic(using=self.db), connection.cursor() as cursor:
            for chunk in (ids[start : start + 1000] for start in range(0, len(ids), 1000)):
                cursor.execute(
                    f"INSERT INTO {table(outbox)} ({COLUMNS}, put_back_at) "
                    f"SELECT {COLUMNS}, %s FROM {table(self)} WHERE id IN ({literals(chunk)})",
                    [now],
                )
                cursor.execute(deletion(table(self), chunk, connection.vendor))

    def give_way(self, outbox: OutboxQuerySet) -> int:
        """Go before the line, in their order: its ids began anew, and these are from before. How much lower theirs are.

        As after TRUNCATE ... RESTART IDENTITY, or where a sequence was set by what is left in the outbox.
        """
        line: int = outbox.aggregate(first=models.Min("id"))["first"] or 0
        first, last = self.aggregate(first=models.Min("id"), last=models.Max("id")).values()
        # Beyond all that are there: each moves to where none is, whichever moves first.
        lower: int = (last or 0) - min(0, line, first or 0) + 1
        told = "the outbox's ids began anew database=%s: %d parked events have lower ones now"
        count = self.update(id=F("id") - lower)
        # Not where something else was the matter: then it is rolled back.
        transaction.on_commit(lambda: logger.warning(told, self.db, count), using=self.db)
        return lower

    def in_shards(self, shards: Shards) -> "ParkedQuerySet":
        """Those whose key belongs to these shards."""
        if not shards.condition:
            return self
        shard = models.Func(F("slot"), shards.of, function="MOD")
        rows: ParkedQuerySet = self.alias(shard=shard).filter(shard__in=shards.held)
        return rows

    def under(self, key: str) -> "ParkedQuerySet":
        """Those of this routing key."""
        rows: ParkedQuerySet = self.filter(digest=digest_of(key))
        return rows

    def fill_digests(self) -> None:
        """Of what a relay from before there were digests kept: by an empty one, all keys would be one."""
        rows = self.filter(digest="")
        if rows.exists():
            rows.update(digest=DigestOf(F("routing_key")))

    def first_of_each_key(self) -> dict[str, int]:
        """The id of the oldest event under each routing key."""
        return self._by_key(models.Min("id"))

    def count_by_key(self) -> dict[str, int]:
        """How many there are under each routing key."""
        return self._by_key(models.Count("id"))

    def _by_key(self, of_each: models.Aggregate) -> dict[str, int]:
        found = self.order_by("digest").values_list("digest").annotate(first=models.Min("id"), of_each=of_each)
        by_first = {first: of_it for _, first, of_it in found}
        ids = list(by_first)
        rows = (self.filter(id__in=ids[start : start + 1000]) for start in range(0, len(ids), 1000))
        return {key: by_first[id] for some in rows for key, id in some.values_list("routing_key", "id")}


class UnroutableQuerySet(models.QuerySet[Any]):
    def add(self, counts: Mapping[str, int]) -> None:
        """Count dropped events by their routing key; under one together where there are too many keys."""
        connection = connections[self.db]
        most: Any = connection.features.max_query_params
        # In one order, so that two relays wait for each other only one way.
        rows = sorted((digest_of(key), key, count) for key, count in self._within_bounds(counts).items())
        size = min(ADDED_ROWS, most // 3) if most else ADDED_ROWS
        with connection.cursor() as cursor:
            for chunk in (rows[start : start + size] for start in range(0, len(rows), size)):
                cursor.execute(addition(table(self), len(chunk), connection.vendor), list(chain.from_iterable(chunk)))

    def _within_bounds(self, counts: Mapping[str, int]) -> Mapping[str, int]:
        room = counters.MOST - self.count()
        if len(counts) <= room:
            return counts
        known = set(self.filter(digest__in=list(map(digest_of, counts))).values_list("routing_key", flat=True))
        new = [key for key in counts if key not in known]
        others = dict.fromkeys(new[max(room, 0) :])
        bounded = Counter({key: count for key, count in counts.items() if key not in others})
        bounded[counters.OTHERS] += sum(counts[key] for key in others)
        return bounded


class LeaseQuerySet(models.QuerySet[Any]):
    def make(self, shards: int) -> None:
        """A row for each shard, where there is none."""
        self.bulk_create([self.model(shard=shard, shards=shards) for shard in range(shards)], ignore_conflicts=True)

    def alive(self) -> "LeaseQuerySet":
        return self.filter(expires_at__gte=UtcNow()).exclude(holder="")

    def take(self, shards: int, holder: str, seconds: float, rate: float) -> frozenset[int]:
        """Renew what is held and take what is free, by the database's clock; which are held now.

        Not while a relay that divides the outbox into another number of shards is alive: the two would overlap.
        """
        if self._are_divided_otherwise(shards, holder):
            return frozenset()
        rows, mine = self.filter(shard__lt=shards), self.filter(shard__lt=shards, holder=holder)
        values: dict[str, Any] = {"shards": shards, "expires_at": UtcNow() + timedelta(seconds=seconds), "rate": rate}
        mine.update(**values)
        # Not what is promised to another.
        free = Q(expires_at__lt=UtcNow()) | Q(holder="", claimant__in=("", holder))
        taken = rows.filter(free).update(**values, holder=holder, claimant="")
        if taken and self._are_divided_otherwise(shards, holder):
            # Both looked before either had taken any.
            self.give_up(range(shards), holder)
            return frozenset()
        return frozenset(mine.values_list("shard", flat=True))

    def _are_divided_otherwise(self, shards: int, holder: str) -> bool:
        return self.alive().exclude(shards=shards).exclude(holder=holder).exists()

    def promise(self, shards: Collection[int], holder: str, seconds: float) -> None:
        """Free for the claimant alone, for so long."""
        rows = self.filter(shard__in=shards, holder=holder)
        rows.update(holder="", rate=0.0, expires_at=UtcNow() + timedelta(seconds=seconds))

    def give_up(self, shards: Collection[int], holder: str) -> None:
        self.filter(shard__in=shards, holder=holder).update(holder="", claimant="", rate=0.0, expires_at=UtcNow())


def outbox(using: str) -> OutboxQuerySet:
    return OutboxQuerySet(OutboxEvent, using=using)


def parked(using: str) -> ParkedQuerySet:
    return ParkedQuerySet(ParkedEvent, using=using)


def unroutable_keys(using: str) -> UnroutableQuerySet:
    return UnroutableQuerySet(UnroutableKey, using=using)


def leases(using: str) -> LeaseQuerySet:
    return LeaseQuerySet(RelayLease, using=using)


def table(queryset: "models.QuerySet[Any]") -> str:
    """The quoted name of its table."""
    return connections[queryset.db].ops.quote_name(queryset.model._meta.db_table)


def addition(name: str, rows: int, vendor: str) -> str:
    """Of so many rows to the counts that are there. What others call `excluded` is `VALUES` to MySQL and MariaDB."""
    insert = f"INSERT INTO {name} (digest, routing_key, count) VALUES {', '.join(['(%s, %s, %s)'] * rows)}"
    if vendor == "mysql":
        return f"{insert} ON DUPLICATE KEY UPDATE count = {name}.count + VALUES(count), last_at = VALUES(last_at)"
    updates = f"count = {name}.count + excluded.count, last_at = excluded.last_at"
    return f"{insert} ON CONFLICT (digest) DO UPDATE SET {updates}"


def fitting(sizes: Iterable[tuple[int, int]]) -> list[int]:
    """The ids, from the first on, whose bodies have room together; one, however large it is.

    >>> fitting([(1, 2_000_000), (2, 2_000_000), (3, 10)]), fitting([(4, 9_000_000), (5, 10)])
    ([1, 2], [4])
    """
    ids: list[int] = []
    total = 0
    for number, size in sizes:
        total += size
        if ids and total > FETCHED_BYTES:
            break
        ids.append(number)
    return ids
