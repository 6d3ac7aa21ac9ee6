"""Querysets for the tables of the inbox and of attempts.

They are not managers of the models, so that a site, which never handles an event, need not import them at its start.
"""

import re
from collections.abc import Collection
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F

from consumers.models import Attempt, InboxEvent
from publisher.utc import UtcNow
from publisher.wire.event import Event

NAME_CHARACTERS = 150
# Two such names are different in every collation. Other names may not be: to MySQL, "a", "A" and "á" are equal.
PLAIN = re.compile(r"[a-z0-9_.-]+")
# An id of this form is unique, whichever service made it.
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Rows(models.QuerySet[Any]):
    def remove(self) -> int:
        """Delete the rows, and return how many there were.

        Always one statement. `delete()` would read every row first if an app has a receiver of all deletions.
        """
        return self._raw_delete(self.db)

    def _stored(self, subscription: str) -> str:
        return stored(subscription, is_mysql=connections[self.db].vendor == "mysql")


class InboxQuerySet(Rows):
    def admit(self, subscription: str, event: Event) -> int:
        """Insert the event's row. Returns 0 if it was there before; else the row's id on MySQL, and 1 elsewhere.

        Waits for another transaction that has inserted the same row. If the row is there, the statement inserts
        nothing: an error would break the transaction on PostgreSQL.
        """
        connection = connections[self.db]
        with connection.cursor() as cursor:
            cursor.execute(_insert(connection, self.model._meta.db_table), [self._stored(subscription), key_of(event)])
            if cursor.rowcount != 1:
                return 0
            return int(cursor.lastrowid) if connection.vendor == "mysql" else 1

    def has(self, subscription: str, event: Event) -> bool:
        return self.filter(subscription=self._stored(subscription), event_id=key_of(event)).exists()

    def forget(self, subscription: str, events: Collection[Event]) -> None:
        self.filter(subscription=self._stored(subscription), event_id__in=[key_of(event) for event in events]).remove()

    def older_than(self, age: timedelta) -> "InboxQuerySet":
        rows: InboxQuerySet = self.filter(handled_at__lt=UtcNow() - age)
        return rows


class AttemptQuerySet(Rows):
    def begin(self, subscription: str, event: Event) -> int:
        """Count one more start. Returns how many were counted, with this one."""
        connection = connections[self.db]
        with connection.cursor() as cursor:
            cursor.execute(_count(connection, self.model._meta.db_table), [self._stored(subscription), key_of(event)])
            if connection.vendor != "mysql":
                return int(cursor.fetchone()[0])
        return self.begun(subscription, event)

    def has(self, subscription: str, event: Event) -> bool:
        return self._of(subscription, event).exists()

    def begun(self, subscription: str, event: Event) -> int:
        """How many starts were counted."""
        return int(self._of(subscription, event).values_list("count", flat=True).first() or 0)

    def unended(self, subscription: str, event: Event) -> int:
        """How many of the counted starts have not ended: each may have killed its process."""
        row = self._of(subscription, event).annotate(left=F("count") - F("ended"))
        return int(row.values_list("left", flat=True).first() or 0)

    def note(self, subscription: str, event: Event, starts: int) -> None:
        """Set both counts to `starts`: there were so many, and all ended."""
        row = Attempt(subscription=self._stored(subscription), event_id=key_of(event), count=starts, ended=starts)
        fields = ["subscription", "event_id"]
        self.bulk_create(
            [row],
            update_conflicts=True,
            update_fields=["count", "ended"],
            unique_fields=None if connections[self.db].vendor == "mysql" else fields,
        )

    def end(self, subscription: str, event: Event) -> None:
        self._of(subscription, event).remove()

    def _of(self, subscription: str, event: Event) -> "AttemptQuerySet":
        rows: AttemptQuerySet = self.filter(subscription=self._stored(subscription), event_id=key_of(event))
        return rows

    def older_than(self, age: timedelta) -> "AttemptQuerySet":
        """The rows of events that never came again: somebody, or the broker, removed the events from their queue."""
        rows: AttemptQuerySet = self.filter(last_at__lt=UtcNow() - age)
        return rows


def inbox(using: str) -> InboxQuerySet:
    return InboxQuerySet(InboxEvent, using=using)


def attempts(using: str) -> AttemptQuerySet:
    return AttemptQuerySet(Attempt, using=using)


def stored(subscription: str, *, is_mysql: bool) -> str:
    """A subscription's name as it is in the tables. It ends in a hash if it is too long, or not distinct to MySQL.

    >>> stored("blog.spam", is_mysql=True), stored("blog.Spam", is_mysql=True)[:15]
    ('blog.spam', 'blog.Spam7cc6ca')
    """
    if len(subscription) <= NAME_CHARACTERS and not (is_mysql and not PLAIN.fullmatch(subscription)):
        return subscription
    digest = sha256(subscription.encode()).hexdigest()
    return f"{subscription[: NAME_CHARACTERS - len(digest)]}{digest}"


def key_of(event: Event) -> str:
    """What identifies an event in the tables: its id if that is a UUID, else a hash of its source and its id.

    A CloudEvents id may have any length, and need only be unique for its source. And to MySQL, "a" equals "A".
    """
    if UUID.fullmatch(event.id):
        return event.id
    return f"sha256:{sha256(f'{event.source} {event.id}'.encode()).hexdigest()}"


def _insert(connection: BaseDatabaseWrapper, table: str) -> str:
    name = connection.ops.quote_name(table)
    if connection.vendor == "mysql":
        return f"INSERT IGNORE INTO {name} (subscription, event_id) VALUES (%s, %s)"
    return f"INSERT INTO {name} (subscription, event_id) VALUES (%s, %s) ON CONFLICT DO NOTHING"


def _count(connection: BaseDatabaseWrapper, table: str) -> str:
    name, count = connection.ops.quote_name(table), connection.ops.quote_name("count")
    insert = f"INSERT INTO {name} (subscription, event_id, {count}) VALUES (%s, %s, 1)"
    if connection.vendor == "mysql":
        return f"{insert} ON DUPLICATE KEY UPDATE {count} = {count} + 1, last_at = UTC_TIMESTAMP(6)"
    again = f"{count} = {name}.{count} + 1, last_at = CURRENT_TIMESTAMP"
    return f"{insert} ON CONFLICT (subscription, event_id) DO UPDATE SET {again} RETURNING {count}"
