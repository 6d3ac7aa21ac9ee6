"""The outbox and what belongs to it, each on the database of the writes that its events tell of."""

from django.db import models

from publisher.utc import UtcNow


class Waiting(models.Model):
    """The columns of an event that waits, in the bytes that go on the wire."""

    id = models.BigAutoField(primary_key=True)
    message_id = models.CharField(max_length=36)
    type = models.TextField()
    routing_key = models.TextField()
    partitionkey = models.TextField()
    # A hash of the partitionkey: shards divide the slots among them.
    slot = models.SmallIntegerField()
    # Where nobody says: kept if this project has a handler for it.
    keep_unroutable = models.BooleanField(null=True)
    body = models.BinaryField()

    class Meta:
        abstract = True
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.routing_key} {self.message_id}"


class OutboxEvent(Waiting):
    """An event on its way. The relay deletes it once the broker confirmed it."""

    # Out of the line and in it again since then: it waits no longer than that.
    put_back_at = models.DateTimeField(null=True)

    class Meta(Waiting.Meta):
        verbose_name = "outbox event"


class ParkedEvent(Waiting):
    """An event out of the line, under the id it had there: the broker will not take it, or no queue is bound yet.

    A lower id, once those of the line began anew: before what has come since then.
    """

    class Kind(models.TextChoices):
        REFUSED = "refused"
        UNROUTABLE = "unroutable"

    id = models.BigIntegerField(primary_key=True)
    kind = models.CharField(max_length=10, choices=Kind)
    reason = models.TextField()
    # Of the routing key: where many are kept, the first of each is found by an index.
    digest = models.CharField(max_length=64, db_default="")
    parked_at = models.DateTimeField(db_default=UtcNow())

    class Meta(Waiting.Meta):
        verbose_name = "parked event"
        indexes = (models.Index(fields=("kind", "digest", "id"), name="parked_kind_digest"),)


class UnroutableKey(models.Model):
    """How many events under a routing key were dropped because no queue was bound."""

    # A hash of the key: MySQL cannot index a text of 255 characters of four bytes each in every version.
    digest = models.CharField(max_length=64, primary_key=True)
    routing_key = models.TextField()
    count = models.BigIntegerField(default=0)
    last_at = models.DateTimeField(db_default=UtcNow())

    class Meta:
        ordering = ("-count", "routing_key")

    def __str__(self) -> str:
        return f"{self.routing_key}: {self.count}"


class RelayLease(models.Model):
    """Which relay has a shard of the outbox, until when by the database's own clock."""

    shard = models.IntegerField(primary_key=True)
    shards = models.IntegerField(default=1)
    holder = models.CharField(max_length=200, default="")
    # Another relay without a shard, which waits for this one.
    claimant = models.CharField(max_length=200, default="")
    expires_at = models.DateTimeField(db_default=UtcNow())
    rate = models.FloatField(default=0.0)

    class Meta:
        ordering = ("shard",)

    def __str__(self) -> str:
        return f"shard {self.shard} of {self.shards}: {self.holder or 'free'}"


OUTBOX = (OutboxEvent, ParkedEvent, UnroutableKey, RelayLease)
