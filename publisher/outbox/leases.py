"""The rows that say which relay has which shard of the outbox, all by the database's own clock."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models import Q

from publisher.models import RelayLease
from publisher.utc import UtcNow


class LeaseQuerySet(models.QuerySet[Any]):
    def make(self, shards: int) -> None:
        """Insert the rows that are missing: one for each shard."""
        self.bulk_create([self.model(shard=shard, shards=shards) for shard in range(shards)], ignore_conflicts=True)

    def alive(self) -> "LeaseQuerySet":
        return self.filter(expires_at__gte=UtcNow()).exclude(holder="")

    def take(self, shards: int, holder: str, seconds: float, rate: float) -> frozenset[int]:
        """Renew the leases of `holder` and take those that are free. Returns the shards that it holds now.

        `holder` gets none while a relay is alive that divides the outbox into another number of shards: both would send
        the same rows. `rate` is in events per second.
        """
        if self._are_divided_otherwise(shards, holder):
            return frozenset()
        rows, mine = self.filter(shard__lt=shards), self.filter(shard__lt=shards, holder=holder)
        values: dict[str, Any] = {"shards": shards, "expires_at": UtcNow() + timedelta(seconds=seconds), "rate": rate}
        mine.update(**values)
        # Leases that have expired, or were given up and not promised to another relay.
        free = Q(expires_at__lt=UtcNow()) | Q(holder="", claimant__in=("", holder))
        taken = rows.filter(free).update(**values, holder=holder, claimant="")
        if taken and self._are_divided_otherwise(shards, holder):
            # Two such relays may both have looked before either of them took a lease.
            self.give_up(range(shards), holder)
            return frozenset()
        return frozenset(mine.values_list("shard", flat=True))

    def _are_divided_otherwise(self, shards: int, holder: str) -> bool:
        return self.alive().exclude(shards=shards).exclude(holder=holder).exists()

    def promise(self, shards: Collection[int], holder: str, seconds: float) -> None:
        """Give these shards up. For so many seconds, a shard that has a claimant is free for this one only."""
        rows = self.filter(shard__in=shards, holder=holder)
        rows.update(holder="", rate=0.0, expires_at=UtcNow() + timedelta(seconds=seconds))

    def give_up(self, shards: Collection[int], holder: str) -> None:
        """Give these shards up, for any relay."""
        self.filter(shard__in=shards, holder=holder).update(holder="", claimant="", rate=0.0, expires_at=UtcNow())


def leases(using: str) -> LeaseQuerySet:
    return LeaseQuerySet(RelayLease, using=using)
