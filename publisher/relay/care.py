"""How many rows to have in flight: after the broker refused a message, fewer, until the refused one is alone."""

from collections.abc import Collection
from dataclasses import dataclass, replace

NARROWING = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """`window` is how many rows may be in flight now. The refused one is among those up to the id `last_suspect`."""

    most: int
    window: int
    last_suspect: int = 0
    shards: frozenset[int] = frozenset()

    def holding(self, shards: frozenset[int]) -> "Care":
        """Back to the full window if other shards are held: their rows were not in flight."""
        return self if shards == self.shards else Care(most=self.most, window=self.most, shards=shards)

    def refused(self, suspects: Collection[int]) -> "Care":
        """A smaller window: 2000 rows become 62, then 1. If that one is refused, it is the one to park."""
        return replace(self, window=max(1, self.window // NARROWING), last_suspect=max(suspects))

    def reached(self, first_in_line: float) -> "Care":
        """Back to the full window if all suspects are gone from the line: taken, parked, nacked or deleted."""
        return self if first_in_line <= self.last_suspect else replace(self, window=self.most, last_suspect=0)
