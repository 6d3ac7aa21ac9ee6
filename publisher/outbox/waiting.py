"""The outbox as the relay uses it: reads the rows that wait, in order and as far as memory allows, and deletes them.

These queries are not on a model manager: a process that only writes events starts sooner without them.
"""

from collections.abc import Collection, Iterable
from itertools import takewhile
from typing import Any, NamedTuple

from django.db import connections, models

from publisher.models import OutboxEvent
from publisher.outbox.postgres import binary_rows, speaks_psycopg
from publisher.outbox.shards import ALL, Shards
from publisher.outbox.sql import among, deletion, first_rows, table

# A body of at most SMALL_BYTES is read together with its row. Larger bodies are read afterwards, FETCHED_BYTES at a
# time, or one at a time where a single one is larger than that.
SMALL_BYTES = 8_000
FETCHED_BYTES = 4_000_000
COLUMNS = (
    "id, message_id, type, routing_key, partitionkey, slot, keep_unroutable, "
    f"CASE WHEN LENGTH(body) <= {SMALL_BYTES} THEN body END AS body"
)

# A row as the database returns it: its body is None when it was too large to be read with the row.
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
        """The first `most` rows in outbox order, without the ids in `besides`; fewer where their bodies are large.

        There is no `id > last` here: a row becomes visible when its transaction commits, which may be after the commit
        of a row with a higher id.
        """
        found = self._fetch(first_rows(COLUMNS, table(self), besides, int(most), shards.condition))
        rows = list(map(WaitingRow._make, self._with_large_bodies(found)))
        return Batch(rows, has_more=len(found) == most or len(rows) < len(found))

    def _with_large_bodies(self, found: list[Found]) -> list[Found]:
        """The rows with their large bodies filled in, up to the first row that is gone or whose body does not fit."""
        large = [row[0] for row in found if row[-1] is None]
        if not large:
            return found
        bodies = self._bodies(large)
        filled = ((*row[:-1], bodies.get(row[0])) if row[-1] is None else row for row in found)
        return list(takewhile(lambda row: row[-1] is not None, filled))

    def _bodies(self, ids: Collection[int]) -> dict[int, Any]:
        """Bodies by id, of the first of these ids that fit into memory together."""
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


def outbox(using: str) -> OutboxQuerySet:
    return OutboxQuerySet(OutboxEvent, using=using)


def fitting(sizes: Iterable[tuple[int, int]]) -> list[int]:
    """The first ids whose bodies have at most FETCHED_BYTES together, given (id, size); always at least one.

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
