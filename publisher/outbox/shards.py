"""Which part of the outbox a relay has: its events are divided by their partition keys' slots."""

from typing import NamedTuple

from publisher.outbox.sql import literals


class Shards(NamedTuple):
    """Those shards, of so many, that a relay has."""

    held: frozenset[int] = frozenset((0,))
    of: int = 1

    @property
    def condition(self) -> str:
        """In SQL; empty for all rows."""
        return f"MOD(slot, {self.of}) IN ({literals(self.held)})" if len(self.held) < self.of else ""


ALL = Shards()
