"""The inbox and the counts of attempts, in the database that handlers write to."""

from __future__ import annotations

from django.db import models

from publisher.utc import UtcNow


class InboxEvent(models.Model):
    """An event that a subscription has handled. The row is written in the handler's own transaction."""

    subscription = models.CharField(max_length=150)
    event_id = models.CharField(max_length=200)
    handled_at = models.DateTimeField(db_default=UtcNow(), db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["subscription", "event_id"], name="inbox_once"),)

    def __str__(self) -> str:
        return f"{self.subscription} {self.event_id}"


class Attempt(models.Model):
    """How often a handler was started with a redelivered event, which may have killed the process that had it before.

    `count` is increased before each start. `ended` is how many of these starts the process survived: an ordered handler
    that fails keeps the row for its next attempt.
    """

    subscription = models.CharField(max_length=150)
    event_id = models.CharField(max_length=200)
    count = models.IntegerField(default=0)
    ended = models.IntegerField(db_default=0)
    last_at = models.DateTimeField(db_default=UtcNow())

    class Meta:
        constraints = (models.UniqueConstraint(fields=["subscription", "event_id"], name="attempt_once"),)

    def __str__(self) -> str:
        return f"{self.subscription} {self.event_id}: {self.count}"


class DeadLetter(Attempt):
    """Gives dead letters a place in the admin. It has no rows: the letters are in the broker."""

    class Meta:
        proxy = True
        default_permissions = ("view", "change", "delete")
