"""Relays over one connection: reads rows, sends them, and settles each as the broker answers."""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from math import inf

from publisher import conf, counters
from publisher.models import ParkedEvent
from publisher.outbox.parked import parked
from publisher.outbox.unroutable import unroutable_keys
from publisher.outbox.waiting import Batch, OutboxQuerySet, WaitingRow, outbox
from publisher.relay.astray import NO_QUEUE, Astray
from publisher.relay.care import Care
from publisher.relay.leases import Leases
from publisher.relay.nacked import Nacked
from publisher.relay.wanted import Wanted
from publisher.wire.errors import MessageRefused
from publisher.wire.glance import told_of
from publisher.wire.outgoing import relayed
from publisher.wire.sender import Outcome, Sender

logger = logging.getLogger(__name__)

# The least and the most rows to read at once: few after a read that found few. For a few, PostgreSQL uses the index;
# for more, it may scan the whole table, which stays large for a while after a backlog.
FIRST_ROWS = 16
READ_ROWS = 500
# No more rows are read while this many bytes are in flight, however few rows that is.
IN_FLIGHT_BYTES = 16_000_000
DELETE_ROWS = 500
DELETE_SECONDS = 0.05
MOST_FOUND = 10_000


class Session:
    """The rows that one sender has in flight, and what is known of the rows that it has sent.

    If the connection is lost, the next session reads the rows again, from the lowest id on, so none is overtaken.
    """

    def __init__(
        self,
        using: str,
        leases: Leases,
        sender: Sender[WaitingRow],
        care: Care,
        tally: Counter[Outcome] | None = None,
        wanted: Wanted | None = None,
    ) -> None:
        """`tally` counts what becomes of rows. It and `wanted` are handed from one session to the next."""
        self.sender = sender
        self.shards = leases.mine
        self.care = care
        self.tally: Counter[Outcome] = Counter() if tally is None else tally
        self.worked_at = time.monotonic()
        self._using = using
        self._leases = leases
        self._wanted = wanted or Wanted()
        self._done: list[int] = []
        self._dropped: Counter[str] = Counter()
        self._deleted_at = time.monotonic()
        self._nacked = Nacked()
        self._in_flight_bytes = 0
        self._rows = FIRST_ROWS
        self._astray = Astray(using, self.shards)
        self._pathless: list[int] = []
        # Routing keys that are known to have a queue, since a message with this key was confirmed.
        self._found: set[str] = set()

    def send_waiting(self) -> bool:
        """Send waiting rows, as far as there is room. Returns whether to look for more at once."""
        if not self._has_room:
            return False
        self._astray.probe()
        # The same moment for both calls: if a pause ended between them, a later row of its key could go first.
        now = time.monotonic()
        rows, has_more = self._read(now)
        if not self._leases.has(self.shards):
            # The process or the database was slow, so another relay may have sent these rows, and later ones.
            return True
        sendable, staying = self._sorted(self._with_a_path(rows), now)
        if len(staying) < len(rows):
            self.worked_at = time.monotonic()
            self._send(sendable)
        # If no row could be sent, reading more does not help: these wait for a confirm, or for a pause to end.
        return has_more and len(staying) < len(rows)

    def _send(self, rows: Sequence[WaitingRow]) -> None:
        exchange, service = self.sender.exchange, conf.service()
        self._in_flight_bytes += sum(len(row.body) for row in rows)
        try:
            self.sender.send_all((row, relayed(row, service, exchange)) for row in rows)
        except MessageRefused as exc:
            if not self.sender.is_open:
                raise
            self._in_flight_bytes = sum(len(row.body) for row in self._on_their_way)
            self.park(exc.tokens[0], str(exc))

    @property
    def _has_room(self) -> bool:
        room = min(self.care.window, self.sender.window) - len(self.sender.in_flight)
        if not self.sender.has_room or room < self._most or not self._nacked.has_room(time.monotonic()):
            return False
        return self._in_flight_bytes < IN_FLIGHT_BYTES

    @property
    def _on_their_way(self) -> Iterator[WaitingRow]:
        return (row for row, _ in self.sender.in_flight.values())

    @property
    def _most(self) -> int:
        return min(self._rows, self.care.window)

    def _read(self, now: float) -> Batch:
        on_their_way = [row.id for row in self._on_their_way]
        nacked = self._nacked.unread(now, {row.partitionkey for row in self._on_their_way}) if self._nacked else ()
        batch = self._outbox.waiting([*on_their_way, *self._done, *nacked], self._most, self.shards)
        self._rows = max(FIRST_ROWS, min(READ_ROWS, 2 * len(batch.rows)))
        self.care = self.care.reached(min([*on_their_way, *(row.id for row in batch.rows)], default=inf))
        return batch

    def _with_a_path(self, rows: list[WaitingRow]) -> list[WaitingRow]:
        """The rows whose key may have a queue. Rows whose key is known to have none are parked."""
        if not self._astray:
            return rows
        found, pathless = [], []
        for row in rows:
            if self._wanted.may_keep(row) and self._astray.waits(row):
                pathless.append(row.id)
            else:
                found.append(row)
        self._park(pathless, ParkedEvent.Kind.UNROUTABLE, NO_QUEUE)
        return found

    def _sorted(self, rows: list[WaitingRow], now: float) -> tuple[list[WaitingRow], list[WaitingRow]]:
        """The rows to send, and the rows to read again soon. Rows that might overtake a nacked one are set aside.

        While no row is nacked, no row overtakes any other: one that must wait for a confirm makes all behind it wait.
        """
        # One set operation for the usual case: all keys are known to have a queue.
        is_known = self._found.issuperset([row.routing_key for row in rows])
        if not self._nacked and (is_known or not any(map(self._may_lead_nowhere, rows))):
            return rows, []
        careful = self._nacked.careful(now)

        def goes_alone(row: WaitingRow) -> bool:
            return row.routing_key in careful or self._may_lead_nowhere(row)

        sent = {row.partitionkey for row in self._on_their_way}
        held = self._nacked.keys(now) | {row.partitionkey for row in self._on_their_way if goes_alone(row)}
        sendable: list[WaitingRow] = []
        staying: list[WaitingRow] = []
        for place, row in enumerate(rows):
            key, is_careful = row.partitionkey, goes_alone(row)
            if key in held or (is_careful and key in sent) or self._nacked.is_behind(row.id, key):
                if not self._nacked:
                    return sendable, rows[place:]
                held.add(key)
                if not self._nacked.set_aside(row.id, key):
                    staying.append(row)
            else:
                sendable.append(row)
                sent.add(key)
                if is_careful:
                    held.add(key)
        return sendable, staying

    def _note_found(self, key: str) -> None:
        # A rule may form keys from values, so their number is unlimited. Forgotten keys are treated with care again.
        if len(self._found) >= MOST_FOUND:
            self._found.clear()
        self._found.add(key)

    def _may_lead_nowhere(self, row: WaitingRow) -> bool:
        """Whether the row may be returned and kept. Rows behind it wait, since a queue might be bound meanwhile."""
        return row.routing_key not in self._found and self._wanted.may_keep(row)

    @property
    def has_deletions(self) -> bool:
        """Whether confirmed or dropped rows wait to be deleted."""
        return bool(self._done)

    def settle(self) -> None:
        """Handle the broker's answers: delete confirmed rows, keep or drop unroutable ones, let nacked ones wait."""
        released: list[WaitingRow] = []
        while self.sender.settled:
            row, outcome = self.sender.settled.popleft()
            if outcome is not Outcome.UNROUTABLE or not self._astray.is_probe(row):
                self.tally[outcome] += 1
            self._in_flight_bytes -= len(row.body)
            if outcome is Outcome.NACKED:
                self._nacked.add(row.id, row.partitionkey, row.routing_key, time.monotonic())
                continue
            self._nacked.forget(row.id)
            if outcome is Outcome.UNROUTABLE:
                self._unroutable(row)
            else:
                self._done.append(row.id)
                if row.routing_key not in self._found:
                    self._note_found(row.routing_key)
                if self._astray.is_probe(row):
                    released.append(row)
        self._park(self._pathless, ParkedEvent.Kind.UNROUTABLE, NO_QUEUE)
        self._pathless.clear()
        for row in released:
            self._astray.release(row)
        if len(self._done) >= DELETE_ROWS or self._is_time_to_delete:
            self.delete()

    def delete(self) -> None:
        """Delete the confirmed and the dropped rows, and add the dropped ones to the counts in the database."""
        self._outbox.delete_by_id(self._done)
        self._done.clear()
        self._deleted_at = time.monotonic()
        if self._dropped:
            unroutable_keys(self._using).add(self._dropped)
            self._dropped.clear()

    def park(self, row: WaitingRow, reason: str) -> None:
        """Park a row that the broker will never take."""
        ids = told_of(row.body)
        logger.error("parked id=%s event=%s%s key=%s: %s", row.id, row.message_id, ids, row.routing_key, reason)
        self._nacked.forget(row.id)
        self._astray.end_probe(row)
        self._park([row.id], ParkedEvent.Kind.REFUSED, reason)

    def _unroutable(self, row: WaitingRow) -> None:
        self._astray.end_probe(row)
        if self._wanted.keeps(row):
            self._found.discard(row.routing_key)
            self._astray.note(row)
            self._pathless.append(row.id)
            return
        key, ids = row.routing_key, told_of(row.body)
        if counters.is_news(number := counters.count(counters.UNROUTABLE, key)):
            logger.warning("unroutable key=%s event=%s%s: %d dropped so far, %s", key, row.message_id, ids, number,
                           NO_QUEUE)  # fmt: skip
        self._dropped[key] += 1
        self._done.append(row.id)

    def _park(self, ids: list[int], kind: str, reason: str) -> None:
        parked(self._using).park(ids, kind, reason)

    @property
    def _is_time_to_delete(self) -> bool:
        # Not after each confirm: the next event would have to wait until that deletion is committed.
        return bool(self._done) and time.monotonic() - self._deleted_at > DELETE_SECONDS

    @property
    def _outbox(self) -> OutboxQuerySet:
        return outbox(self._using)
