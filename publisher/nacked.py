"""Which nacked rows wait, and for how long: a full queue is not asked without end, nor are its neighbours filled."""

from collections.abc import Iterator
from typing import NamedTuple

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 30.0
# The query that reads on names each of them. Of rows behind a nacked one, those beyond so many are read over and over,
# and may keep other keys waiting until the pause is over.
MOST_WAITING = 5000
# After a nack, for so long, one row of a key is sent at a time, so that no later one overtakes the next that is nacked.
CAREFUL_SECONDS = 30.0


class Wait(NamedTuple):
    key: str
    retry_at: float
    pause_seconds: float


class Nacked:
    """The rows of one session that the broker did not take, and those behind them under the same partition key."""

    def __init__(self) -> None:
        self._waits: dict[int, Wait] = {}
        self._behind: dict[int, str] = {}
        self._careful_until = float("-inf")

    def add(self, row_id: int, key: str, now: float) -> None:
        """Nacked, once more: the pause is twice the one before."""
        before = self._waits.get(row_id)
        pause = min(before.pause_seconds * 2, LONGEST_SECONDS) if before else FIRST_SECONDS
        self._waits[row_id] = Wait(key, now + pause, pause)
        self._careful_until = max(self._careful_until, now + pause + CAREFUL_SECONDS)

    def set_aside(self, row_id: int, key: str) -> bool:
        """Behind a row that waits, so that it need not be read meanwhile; False when there are too many of them."""
        if len(self._behind) >= MOST_WAITING:
            return False
        self._behind[row_id] = key
        return True

    def forget(self, row_id: int) -> None:
        """Settled otherwise."""
        self._waits.pop(row_id, None)

    def is_careful(self, now: float) -> bool:
        return now < self._careful_until

    def has_room(self, now: float) -> bool:
        """Whether more may be sent: where nearly all are nacked, the first of them are due before more are tried."""
        return sum(1 for _ in self._waiting(now)) < MOST_WAITING

    def keys(self, now: float) -> set[str]:
        """The partition keys of which nothing may be sent now."""
        return {wait.key for _, wait in self._waiting(now)}

    def unread(self, now: float) -> list[int]:
        """The rows that need not be read now; those behind one that is due are in line again."""
        keys = self.keys(now)
        self._behind = {row_id: key for row_id, key in self._behind.items() if key in keys}
        return [*(row_id for row_id, _ in self._waiting(now)), *self._behind]

    def _waiting(self, now: float) -> Iterator[tuple[int, Wait]]:
        return ((row_id, wait) for row_id, wait in self._waits.items() if now < wait.retry_at)
