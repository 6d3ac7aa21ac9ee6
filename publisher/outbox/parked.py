"""Parked events: rows that left the outbox because the broker refuses them, or because no queue is bound for them.

They keep their outbox ids, so that they can be put back in their old order.
"""

import logging
from collections.abc import Collection
from typing import Any

from django.db import IntegrityError, connections, models, transaction
from django.db.models import F
from django.utils import timezone

from publisher.models import ParkedEvent
from publisher.outbox.digests import digest_in_sql, digest_of
from publisher.outbox.shards import Shards
from publisher.outbox.sql import chunks, deletion, literals, selection, table
from publisher.outbox.waiting import outbox

logger = logging.getLogger(__name__)

COLUMNS = "id, message_id, type, routing_key, partitionkey, slot, keep_unroutable, body"
CHUNK_IDS = 1000


class ParkedQuerySet(models.QuerySet[Any]):
    def refused(self) -> "ParkedQuerySet":
        """Those that the broker will never take."""
        rows: ParkedQuerySet = self.filter(kind=ParkedEvent.Kind.REFUSED)
        return rows

    def kept(self) -> "ParkedQuerySet":
        """Those that wait until a queue is bound for their routing key."""
        rows: ParkedQuerySet = self.filter(kind=ParkedEvent.Kind.UNROUTABLE)
        return rows

    def in_shards(self, shards: Shards) -> "ParkedQuerySet":
        """Those whose partition key belongs to these shards."""
        if not shards.condition:
            return self
        shard = models.Func(F("slot"), shards.of, function="MOD")
        rows: ParkedQuerySet = self.alias(shard=shard).filter(shard__in=shards.held)
        return rows

    def under(self, key: str) -> "ParkedQuerySet":
        """Those of this routing key."""
        rows: ParkedQuerySet = self.filter(digest=digest_of(key))
        return rows

    def park(self, ids: Collection[int], kind: str, reason: str) -> None:
        """Move the outbox's rows with these ids here. `kind` is a ParkedEvent.Kind."""
        if not ids:
            return
        try:
            self._take(ids, kind, reason)
        except IntegrityError:
            # A parked event has one of these ids: the outbox's ids have started again since it was parked.
            with transaction.atomic(using=self.db):
                self.give_way()
                self._take(ids, kind, reason)

    def _take(self, ids: Collection[int], kind: str, reason: str) -> None:
        connection, source = connections[self.db], table(outbox(self.db))
        with transaction.atomic(using=self.db), connection.cursor() as cursor:
            digest = digest_in_sql(connection, "routing_key")
            cursor.execute(
                f"INSERT INTO {table(self)} ({COLUMNS}, digest, kind, reason) "
                + selection(f"{COLUMNS}, {digest}, %s, %s", source, ids, connection.vendor),
                [kind, reason],
            )
            cursor.execute(deletion(source, ids, connection.vendor))

    def put_back(self) -> int:
        """Move these events back into the outbox, under their ids and so in their old order. Returns how many."""
        with transaction.atomic(using=self.db):
            ids = list(self.select_for_update().values_list("id", flat=True))
            try:
                self._return(ids)
            except IntegrityError:
                # A new outbox row has one of these ids: the outbox's ids have started again.
                lowered_by = parked(self.db).give_way()
                self._return([number - lowered_by for number in ids])
        return len(ids)

    def _return(self, ids: list[int]) -> None:
        connection = connections[self.db]
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        with transaction.atomic(using=self.db), connection.cursor() as cursor:
            for chunk in chunks(ids, CHUNK_IDS):
                cursor.execute(
                    f"INSERT INTO {table(outbox(self.db))} ({COLUMNS}, put_back_at) "
                    f"SELECT {COLUMNS}, %s FROM {table(self)} WHERE id IN ({literals(chunk)})",
                    [now],
                )
                cursor.execute(deletion(table(self), chunk, connection.vendor))

    def give_way(self) -> int:
        """Lower the ids of these events to below all ids in the outbox, in the same order. Returns by how much.

        Needed where the outbox's ids have started again, as after `TRUNCATE ... RESTART IDENTITY`, or where a sequence
        was set to the highest id that is left in the outbox: these events are older than all rows with new ids.
        """
        line: int = outbox(self.db).aggregate(first=models.Min("id"))["first"] or 0
        first, last = self.aggregate(first=models.Min("id"), last=models.Max("id")).values()
        # By more than their whole range, so that no row moves to an id that another one still has.
        lower: int = (last or 0) - min(0, line, first or 0) + 1
        told = "the outbox's ids began anew database=%s: %d parked events have lower ids now"
        count = self.update(id=F("id") - lower)
        # Logged on commit only: if the IntegrityError had another cause, this change is rolled back.
        transaction.on_commit(lambda: logger.warning(told, self.db, count), using=self.db)
        return lower

    def first_of_each_key(self) -> dict[str, int]:
        """The id of the oldest event under each routing key."""
        return self._by_key(models.Min("id"))

    def count_by_key(self) -> dict[str, int]:
        """How many events there are under each routing key."""
        return self._by_key(models.Count("id"))

    def _by_key(self, of_each: models.Aggregate) -> dict[str, int]:
        found = self.order_by("digest").values_list("digest").annotate(first=models.Min("id"), of_each=of_each)
        by_first = {first: of_it for _, first, of_it in found}
        rows = (self.filter(id__in=ids) for ids in chunks(list(by_first), CHUNK_IDS))
        return {key: by_first[id] for some in rows for key, id in some.values_list("routing_key", "id")}


def parked(using: str) -> ParkedQuerySet:
    return ParkedQuerySet(ParkedEvent, using=using)
