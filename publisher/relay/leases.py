"""Which shards of the outbox this relay holds: leases in the database, which expire by the database's clock."""

import os
import socket
import time
import uuid
from collections.abc import Collection

from publisher.models import RelayLease
from publisher.outbox.leases import LeaseQuerySet, leases
from publisher.outbox.shards import Shards

LEASE_SECONDS = 6.0
RENEW_SECONDS = 2.0
STANDBY_SECONDS = 0.5


class Leases:
    """The leases of one relay process.

    By this process's own clock, a lease counts as certain for less time than it lasts in the database. So a relay that
    was frozen asks the database again before it publishes.
    """

    def __init__(self, using: str, shards: int) -> None:
        self.using = using
        self.shards = shards
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.held: frozenset[int] = frozenset()
        self.renewed_at = float("-inf")

    @property
    def mine(self) -> Shards:
        return Shards(self.held, self.shards)

    def has(self, shards: Shards) -> bool:
        """Whether exactly these shards are held, for certain."""
        if not self._is_certain:
            self.renew()
        return self.mine == shards and self._is_certain

    @property
    def _is_certain(self) -> bool:
        return time.monotonic() - self.renewed_at < LEASE_SECONDS - RENEW_SECONDS

    @property
    def is_due(self) -> bool:
        return time.monotonic() - self.renewed_at >= RENEW_SECONDS

    def renew(self, rate: float = 0.0) -> None:
        """Renew what is held and take what is free. `rate`, in events per second, is shown beside the lease."""
        self._renew(rate)
        if not self._is_certain:
            # The process was frozen in between, so another relay may have taken the leases since.
            self._renew(rate)

    def _renew(self, rate: float) -> None:
        asked_at = time.monotonic()
        rows = self._all()
        if len(rows) < self.shards:
            self._rows.make(self.shards)
            rows = self._all()
        self.held = self._rows.take(self.shards, self.holder, LEASE_SECONDS, rate)
        self.renewed_at = asked_at
        if not self.held:
            self._claim(rows)

    def claimed(self) -> frozenset[int]:
        """The held shards that relays without a shard ask for. Never all: this relay keeps at least one."""
        rows = self._rows.filter(shard__in=self.held).exclude(claimant="").exclude(claimant=self.holder)
        wanted = frozenset(rows.values_list("shard", flat=True))
        return wanted if len(wanted) < len(self.held) else frozenset(sorted(wanted)[1:])

    def hand_over(self, shards: Collection[int]) -> None:
        """Give these shards to the relays that asked for them. A shard that is not taken in time becomes free."""
        self._rows.promise(shards, self.holder, LEASE_SECONDS)
        self.held -= frozenset(shards)

    def give_up(self) -> None:
        """Give all leases and claims up, so that a standby can take over at once."""
        self._rows.give_up(self.held, self.holder)
        self._rows.filter(claimant=self.holder).update(claimant="")
        self.held = frozenset()

    @property
    def _rows(self) -> LeaseQuerySet:
        return leases(self.using)

    def _all(self) -> list[RelayLease]:
        return list(self._rows.filter(shard__lt=self.shards))

    def _claim(self, rows: Collection[RelayLease]) -> None:
        """Ask for one shard of the relay that has the most, if it has more than one."""
        shards_of: dict[str, list[int]] = {}
        for row in rows:
            shards_of.setdefault(row.holder, []).append(row.shard)
        # One claim at a time; and none while a relay divides the outbox into another number of shards: it would hand a
        # shard over that this relay could not take.
        if any(row.claimant == self.holder or row.shards != self.shards for row in rows):
            return
        most = max(shards_of.values(), key=len, default=[])
        free = [row.shard for row in rows if row.shard in most and not row.claimant]
        if len(most) > 1 and free:
            self._rows.filter(shard=free[-1], claimant="").update(claimant=self.holder)
