"""How carefully to send: after trouble with a message, fewer at a time, until the one to blame is alone."""

from collections.abc import Collection
from dataclasses import dataclass, replace

NARROWING = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """`suspects` are the rows, of these shards, that were on their way when the broker refused one of them."""

    most: int
    window: int
    suspects: frozenset[int] = frozenset()
    shards: frozenset[int] = frozenset()

    def holding(self, shards: frozenset[int]) -> "Care":
        """Wide again when other shards are held: a suspect in one that is gone would never settle here."""
        return self if shards == self.shards else Care(most=self.most, window=self.most, shards=shards)

    def refused(self, suspects: Collection[int]) -> "Care":
        """Narrower: 2000 in flight become 62, then 1, which is then to blame."""
        return replace(self, window=max(1, self.window // NARROWING), suspects=frozenset(suspects))

    def settled(self, rows: Collection[int]) -> "Care":
        """Wide again once no suspect is left."""
        if not self.suspects:
            return self
        left = self.suspects.difference(rows)
        return replace(self, suspects=left, window=self.window if left else self.most)
