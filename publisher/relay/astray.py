"""Routing keys that no queue is bound for: their events are kept, and each key's oldest is tried now and then."""

import logging
import time

from publisher import counters
from publisher.outbox.parked import ParkedQuerySet, parked
from publisher.outbox.shards import Shards
from publisher.outbox.waiting import WaitingRow, outbox
from publisher.wire.glance import told_of

logger = logging.getLogger("publisher.relay")

PROBE_SECONDS = 2.0
# Finding the oldest events of many keys takes long, and the relay sends nothing meanwhile. So searches begin at least
# this many times as long apart as one takes.
PROBE_SHARE = 50
# How many keys are tried at a time.
MOST_PROBES = 100
NO_QUEUE = "no queue is bound"


class Astray:
    """The routing keys of these shards that are known to have no queue, with the oldest kept event of each.

    A probe is such an event, put back into the outbox to learn whether a queue is bound for its key by now.
    """

    def __init__(self, using: str, shards: Shards) -> None:
        self._using = using
        self._shards = shards
        self._oldest = self._parked.first_of_each_key()
        # By routing key, the id of the probe that is in the outbox.
        self._probes: dict[str, int] = {}
        self._next_probe_at = time.monotonic() + PROBE_SECONDS
        self._probed_id = 0

    def __bool__(self) -> bool:
        return bool(self._oldest)

    def waits(self, row: WaitingRow) -> bool:
        """Whether the row must be kept without being sent: its key has no queue, and it is not the probe of the key."""
        return row.routing_key in self._oldest and not self._goes_first(row)

    def _goes_first(self, row: WaitingRow) -> bool:
        """Whether the row is the probe of its key. A row that is older than all kept events of its key becomes it."""
        if row.id < self._oldest[row.routing_key]:
            self._oldest[row.routing_key] = self._probes[row.routing_key] = row.id
        return self.is_probe(row)

    def is_probe(self, row: WaitingRow) -> bool:
        """Whether the row is the probe of its key now."""
        return self._probes.get(row.routing_key) == row.id

    def note(self, row: WaitingRow) -> None:
        """Remember that no queue is bound for this row's key: it was returned, and will be kept."""
        if row.routing_key in self._oldest:
            return
        self._oldest[row.routing_key] = row.id
        if counters.is_news(number := len(self._oldest)):
            logger.warning("kept key=%s event=%s%s, %d so far: %s; run `manage.py topology --declare`, or `consume`",
                           row.routing_key, row.message_id, told_of(row.body), number, NO_QUEUE)  # fmt: skip

    def probe(self) -> None:
        """Put the oldest event of some keys back into the outbox, in turn: a queue may be bound by now."""
        began = time.monotonic()
        if not self._oldest or began < self._next_probe_at:
            return
        self._oldest = {**self._parked.first_of_each_key(), **self._still_out()}
        took = time.monotonic() - began
        self._next_probe_at = began + max(PROBE_SECONDS, PROBE_SHARE * took)
        waiting = sorted((number, key) for key, number in self._oldest.items() if key not in self._probes)
        next_ones = ([each for each in waiting if each[0] > self._probed_id] or waiting)[:MOST_PROBES]
        self._probed_id = max(next_ones, default=(0, ""))[0]
        self._probes.update((key, number) for number, key in next_ones)
        self._parked.filter(id__in=[number for number, _ in next_ones]).put_back()

    def _still_out(self) -> dict[str, int]:
        """The probes that are still in the outbox."""
        if self._probes:
            there = set(outbox(self._using).filter(id__in=self._probes.values()).values_list("id", flat=True))
            self._probes = {key: number for key, number in self._probes.items() if number in there}
        return self._probes

    def end_probe(self, row: WaitingRow) -> None:
        """If the row was a probe, it is not any more: the broker has answered."""
        if self.is_probe(row):
            del self._probes[row.routing_key]

    def release(self, row: WaitingRow) -> None:
        """The probe reached a queue: put all kept events of its key back into the outbox."""
        self.end_probe(row)
        self._oldest.pop(row.routing_key, None)
        count = self._parked.under(row.routing_key).put_back()
        logger.info("bound again key=%s: %d kept events go out", row.routing_key, count + 1)

    @property
    def _parked(self) -> ParkedQuerySet:
        return parked(self._using).in_shards(self._shards).kept()
