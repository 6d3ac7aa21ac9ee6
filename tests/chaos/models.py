"""What writers save, and what handlers make of it."""

from django.db import models


class Entry(models.Model):
    """A row that is saved again and again: it remembers each save that committed.

    `label` names the last save, and is in its event; `labels` are all saves, in the order they committed.
    """

    # Empty for the rows that all writers share.
    writer = models.CharField(max_length=50)
    label = models.CharField(max_length=50)
    labels = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.pk} {self.label}"


class Effect(models.Model):
    """What a handler does for an event. Nothing in the database keeps it from doing so twice."""

    handler = models.CharField(max_length=20)
    key = models.CharField(max_length=50)
    label = models.CharField(max_length=50)

    def __str__(self) -> str:
        return f"{self.handler} {self.label}"


class Trail(models.Model):
    """The labels of one key, in the order that the ordered handler came by them."""

    key = models.CharField(max_length=50, primary_key=True)
    labels = models.JSONField(default=list)

    def __str__(self) -> str:
        return self.key
