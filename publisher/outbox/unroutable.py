"""Counts, by routing key, of the events that were dropped because no queue was bound for them."""

from collections import Counter
from collections.abc import Mapping
from itertools import chain
from typing import Any

from django.db import connections, models

from publisher import counters
from publisher.models import UnroutableKey
from publisher.outbox.digests import digest_of
from publisher.outbox.sql import chunks, table

ADDED_ROWS = 300


class UnroutableQuerySet(models.QuerySet[Any]):
    def add(self, counts: Mapping[str, int]) -> None:
        """Add these counts of dropped events, by routing key. Where there are too many keys, new ones share one row."""
        connection = connections[self.db]
        most: Any = connection.features.max_query_params
        # Always in the same order: two relays that lock rows in different orders could deadlock.
        rows = sorted((digest_of(key), key, count) for key, count in self._within_bounds(counts).items())
        with connection.cursor() as cursor:
            for chunk in chunks(rows, min(ADDED_ROWS, most // 3) if most else ADDED_ROWS):
                cursor.execute(addition(table(self), len(chunk), connection.vendor), list(chain.from_iterable(chunk)))

    def _within_bounds(self, counts: Mapping[str, int]) -> Mapping[str, int]:
        room = counters.MOST - self.count()
        if len(counts) <= room:
            return counts
        known = set(self.filter(digest__in=list(map(digest_of, counts))).values_list("routing_key", flat=True))
        new = [key for key in counts if key not in known]
        others = dict.fromkeys(new[max(room, 0) :])
        bounded = Counter({key: count for key, count in counts.items() if key not in others})
        if others:
            bounded[counters.OTHERS] += sum(counts[key] for key in others)
        return bounded


def unroutable_keys(using: str) -> UnroutableQuerySet:
    return UnroutableQuerySet(UnroutableKey, using=using)


def addition(name: str, rows: int, vendor: str) -> str:
    """The statement that adds this many rows to the counts.

    MySQL and MariaDB write `VALUES(count)` for what the other databases call `excluded.count`.
    """
    insert = f"INSERT INTO {name} (digest, routing_key, count) VALUES {', '.join(['(%s, %s, %s)'] * rows)}"
    if vendor == "mysql":
        return f"{insert} ON DUPLICATE KEY UPDATE count = {name}.count + VALUES(count), last_at = VALUES(last_at)"
    updates = f"count = {name}.count + excluded.count, last_at = excluded.last_at"
    return f"{insert} ON CONFLICT (digest) DO UPDATE SET {updates}"
