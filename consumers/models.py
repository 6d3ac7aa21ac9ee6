"""What was handled already, and what is being tried, in the database that handlers write to."""

from __future__ import annotations

from django.db import models

from publisher.utc import UtcNow


class InboxEvent(models.Model):
    """An event that a subscription has handled, written in the handler's own transaction."""

    subscription = models.CharField(max_length=150)
    event_id = models.CharField(max_length=200)
    handled_at = models.DateTimeField(db_default=UtcNow(), db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["subscription", "event_id"], name="inbox_once"),)

    def __str__(self) -> str:
        return f"{self.subscription} {self.event_id}"


class Attempt(models.Model):
    """How often an event was begun after it had come back: written before the handler that may kill its process.

    `ended` are those of `count` after which the process was still there, as when an ordered handler failed.
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
    """What the admin lists: the letters themselves are in the broker. A proxy, since it has no table of its own."""

    class Meta:
        proxy = True
        default_permissions = ("view", "change", "delete")
