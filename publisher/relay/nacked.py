"""Rows that the broker nacked, as when a queue is full: each waits ever longer, and later rows of its key wait too."""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 30.0
# Each waiting row is left out by its id in the next query, so their number is limited. Rows beyond the limit are read
# again and again, and may keep other keys waiting until the pause is over.
MOST_WAITING = 5000
# For this long after a nacked row's pause, rows of its routing key are sent one at a time for each partition key. If
# one of them is nacked, no later row of its partition key has overtaken it.
CAREFUL_SECONDS = 30.0
# How many set-aside rows of one key are read again at a time. It is not all, since perhaps only the first can be sent.
RELEASED_ROWS = 100


class Wait(NamedTuple):
    key: str
    retry_at: float
    pause_seconds: float


class Nacked:
    """The nacked rows of one session, and the rows behind them that are set aside so as not to overtake them.

    A `key` is a partition key: the rows of one key stay in order.
    """

    def __init__(self) -> None:
        self._waits: dict[int, Wait] = {}
        self._behind: dict[int, str] = {}
        self._first_behind: dict[str, int] = {}
        self._careful_until: dict[str, float] = {}

    def __bool__(self) -> bool:
        """Whether any row waits, or any routing key needs care."""
        return bool(self._waits or self._behind or self._careful_until)

    def add(self, row_id: int, key: str, routing_key: str, now: float) -> None:
        """Note that a row was nacked. Each pause is twice as long as the one before, up to LONGEST_SECONDS."""
        before = self._waits.get(row_id)
        pause = min(before.pause_seconds * 2, LONGEST_SECONDS) if before else FIRST_SECONDS
        self._waits[row_id] = Wait(key, now + pause, pause)
        self._careful_until[routing_key] = max(self._careful_until.get(routing_key, now), now + pause + CAREFUL_SECONDS)

    def set_aside(self, row_id: int, key: str) -> bool:
        """Leave the row unread until its turn comes. False when too many are set aside already."""
        if len(self._behind) >= MOST_WAITING:
            return False
        self._behind[row_id] = key
        self._first_behind[key] = min(row_id, self._first_behind.get(key, row_id))
        return True

    def is_behind(self, row_id: int, key: str) -> bool:
        """Whether an earlier row of this key is set aside."""
        return self._first_behind.get(key, row_id) < row_id

    def forget(self, row_id: int) -> None:
        """The row is settled, and waits no longer."""
        self._waits.pop(row_id, None)

    def careful(self, now: float) -> Collection[str]:
        """The routing keys that had a nack lately."""
        self._careful_until = {key: until for key, until in self._careful_until.items() if now < until}
        return self._careful_until

    def has_room(self, now: float) -> bool:
        """Whether more rows may be sent. Not while very many wait, since the next ones would probably be nacked too."""
        return sum(1 for _ in self._waiting(now)) < MOST_WAITING

    def keys(self, now: float) -> set[str]:
        """The partition keys of rows that wait: no row of these keys may be sent now."""
        return {wait.key for _, wait in self._waiting(now)}

    def unread(self, now: float, on_their_way: Collection[str]) -> list[int]:
        """The ids of rows that need not be read now. `on_their_way` has the keys of rows in flight.

        For each key of which no row waits or is in flight, the first set-aside rows are released, to be read again.
        """
        self._release(self.keys(now).union(on_their_way))
        return [*(row_id for row_id, _ in self._waiting(now)), *self._behind]

    def _release(self, but_for: Collection[str]) -> None:
        behind, self._behind, self._first_behind = self._behind, {}, {}
        released: Counter[str] = Counter()
        for row_id, key in sorted(behind.items()):
            if key in but_for or released[key] == RELEASED_ROWS:
                self.set_aside(row_id, key)
            else:
                released[key] += 1

    def _waiting(self, now: float) -> Iterator[tuple[int, Wait]]:
        return ((row_id, wait) for row_id, wait in self._waits.items() if now < wait.retry_at)
