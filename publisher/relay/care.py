"""How many rows may be in flight: fewer after the broker refused one of many, until the refused one is alone."""

from collections.abc import Collection
from dataclasses import dataclass, replace

NARROWING = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """`window` is how many rows may be in flight now, `most` how many otherwise.

    The refused row is among those up to the id `last_suspect`, which is 0 if no row is suspected.
    """

    most: int
    window: int
    last_suspect: int = 0
    shards: frozenset[int] = frozenset()

    def holding(self, shards: frozenset[int]) -> "Care":
        """Back to the full window if other shards are held: none of their rows is a suspect."""
        return self if shards == self.shards else Care(most=self.most, window=self.most, shards=shards)

    def refused(self, suspects: Collection[int]) -> "Care":
        """A smaller window: 2000 rows become 62, then 1. A row that is refused alone is the one to park."""
        return replace(self, window=max(1, self.window // NARROWING), last_suspect=max(suspects))

    def reached(self, first_in_line: float) -> "Care":
        """Back to the full window once all suspects are gone: taken, parked, nacked or deleted.

        `first_in_line` is the lowest id that is in flight or was just read; infinity if there is none.
        """
        return self if first_in_line <= self.last_suspect else replace(self, window=self.most, last_suspect=0)
