"""Shards: the parts into which the outbox is divided among relays, by the slots of partition keys."""

from typing import NamedTuple

from publisher.outbox.sql import literals


class Shards(NamedTuple):
    """The shards `held` by a relay, out of `of` shards."""

    held: frozenset[int] = frozenset((0,))
    of: int = 1

    @property
    def condition(self) -> str:
        """The SQL condition for their rows; empty for all rows."""
        return f"MOD(slot, {self.of}) IN ({literals(self.held)})" if len(self.held) < self.of else ""


ALL = Shards()
