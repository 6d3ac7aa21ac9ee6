"""Which nacked rows wait, and for how long: a full queue is not asked without end, nor are its neighbours filled."""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 30.0
# The query that reads on names each of them. Of rows that are held back, those beyond so many are read over and over,
# and may keep other keys waiting until the pause is over.
MOST_WAITING = 5000
# After a nack, for so long, a row of the same routing key goes without another of its partition key, so that no later
# one overtakes the next that is nacked.
CAREFUL_SECONDS = 30.0
# Of the rows of one key that are set aside: the first may be the only one that goes, and the others are read in vain.
RELEASED_ROWS = 100


class Wait(NamedTuple):
    key: str
    retry_at: float
    pause_seconds: float


class Nacked:
    """The rows of one session that the broker did not take, and those that are set aside so as not to overtake.

    A `key` is a row's partition key: within it, order is kept.
    """

    def __init__(self) -> None:
        self._waits: dict[int, Wait] = {}
        self._behind: dict[int, str] = {}
        self._first_behind: dict[str, int] = {}
        self._careful_until: dict[str, float] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to heed."""
        return bool(self._waits or self._behind or self._careful_until)

    def add(self, row_id: int, key: str, routing_key: str, now: float) -> None:
        """Nacked, once more: the pause is twice the one before."""
        before = self._waits.get(row_id)
        pause = min(before.pause_seconds * 2, LONGEST_SECONDS) if before else FIRST_SECONDS
        self._waits[row_id] = Wait(key, now + pause, pause)
        self._careful_until[routing_key] = max(self._careful_until.get(routing_key, now), now + pause + CAREFUL_SECONDS)

    def set_aside(self, row_id: int, key: str) -> bool:
        """Not its turn yet, so that it need not be read meanwhile; False when there are too many of them."""
        if len(self._behind) >= MOST_WAITING:
            return False
        self._behind[row_id] = key
        self._first_behind[key] = min(row_id, self._first_behind.get(key, row_id))
        return True

    def is_behind(self, row_id: int, key: str) -> bool:
        """Whether an earlier row of this key is set aside."""
        return self._first_behind.get(key, row_id) < row_id

    def forget(self, row_id: int) -> None:
        """Settled otherwise."""
        self._waits.pop(row_id, None)

    def careful(self, now: float) -> Collection[str]:
        """The routing keys that lead to a queue that was full lately."""
        self._careful_until = {key: until for key, until in self._careful_until.items() if now < until}
        return self._careful_until

    def has_room(self, now: float) -> bool:
        """Whether more may be sent: where nearly all are nacked, the first of them are due before more are tried."""
        return sum(1 for _ in self._waiting(now)) < MOST_WAITING

    def keys(self, now: float) -> set[str]:
        """The partition keys of which nothing may be sent now."""
        return {wait.key for _, wait in self._waiting(now)}

    def unread(self, now: float, on_their_way: Collection[str]) -> list[int]:
        """The rows that need not be read now, where rows of these keys are on their way.

        Of any other key, the first that were set aside are in line again.
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
