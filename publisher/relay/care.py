"""How carefully to send: after trouble with a message, fewer at a time, until the one to blame is alone."""

from collections.abc import Collection
from dataclasses import dataclass, replace

NARROWING = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """`last_suspect` is the last row, of these shards, that was on its way when the broker refused one of them."""

    most: int
    window: int
    last_suspect: int = 0
    shards: frozenset[int] = frozenset()

    def holding(self, shards: frozenset[int]) -> "Care":
        """Wide again when other shards are held: what is in line there was not on its way."""
        return self if shards == self.shards else Care(most=self.most, window=self.most, shards=shards)

    def refused(self, suspects: Collection[int]) -> "Care":
        """Narrower: 2000 in flight become 62, then 1, which is then to blame."""
        return replace(self, window=max(1, self.window // NARROWING), last_suspect=max(suspects))

    def reached(self, first_in_line: float) -> "Care":
        """Wide again when the line begins after the suspects: they were taken, parked, nacked or deleted."""
        return self if first_in_line <= self.last_suspect else replace(self, window=self.most, last_suspect=0)
