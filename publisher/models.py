"""The outbox and its companions. Each database may have them: events are stored with the writes they are about."""

from django.db import models

from publisher.utc import UtcNow


class Waiting(models.Model):
    """An event that waits to be published. `body` has the bytes of the message."""

    id = models.BigAutoField(primary_key=True)
    message_id = models.CharField(max_length=36)
    type = models.TextField()
    routing_key = models.TextField()
    partitionkey = models.TextField()
    # A hash of the partitionkey. Each shard of the outbox has some of the slots.
    slot = models.SmallIntegerField()
    # Whether to keep the event while no queue is bound for it. None keeps it if this project has a handler for it.
    keep_unroutable = models.BooleanField(null=True)
    body = models.BinaryField()

    class Meta:
        abstract = True
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.routing_key} {self.message_id}"


class OutboxEvent(Waiting):
    """An event on its way. The relay deletes it once the broker confirmed it."""

    # When it was put back after having been parked: its age counts from then.
    put_back_at = models.DateTimeField(null=True)

    class Meta(Waiting.Meta):
        verbose_name = "outbox event"


class ParkedEvent(Waiting):
    """An event that left the outbox: the broker refuses it, or no queue is bound for it yet.

    It keeps its outbox id, to be put back in order. If the outbox's ids start again, it gets an id below the new ones.
    """

    class Kind(models.TextChoices):
        REFUSED = "refused"
        UNROUTABLE = "unroutable"

    id = models.BigIntegerField(primary_key=True)
    kind = models.CharField(max_length=10, choices=Kind)
    reason = models.TextField()
    # A hash of the routing key, so that an index finds the oldest event under each key.
    digest = models.CharField(max_length=64)
    parked_at = models.DateTimeField(db_default=UtcNow())

    class Meta(Waiting.Meta):
        verbose_name = "parked event"
        indexes = (models.Index(fields=("kind", "digest", "id"), name="parked_kind_digest"),)


class UnroutableKey(models.Model):
    """How many events under a routing key were dropped because no queue was bound."""

    # A hash of the routing key, which is too long for an index of some versions of MySQL.
    digest = models.CharField(max_length=64, primary_key=True)
    routing_key = models.TextField()
    count = models.BigIntegerField(default=0)
    last_at = models.DateTimeField(db_default=UtcNow())

    class Meta:
        ordering = ("-count", "routing_key")

    def __str__(self) -> str:
        return f"{self.routing_key}: {self.count}"


class RelayLease(models.Model):
    """Which relay has a shard of the outbox, and until when, by the clock of the database."""

    shard = models.IntegerField(primary_key=True)
    shards = models.IntegerField(default=1)
    holder = models.CharField(max_length=200, default="")
    # A relay that has no shard and asks for this one.
    claimant = models.CharField(max_length=200, default="")
    expires_at = models.DateTimeField(db_default=UtcNow())
    rate = models.FloatField(default=0.0)

    class Meta:
        ordering = ("shard",)

    def __str__(self) -> str:
        return f"shard {self.shard} of {self.shards}: {self.holder or 'free'}"


OUTBOX = (OutboxEvent, ParkedEvent, UnroutableKey, RelayLease)
