"""What the handlers' database says: which effects there are, and in which order."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.chaos.sql import Sql, read


class Effect(NamedTuple):
    """One row that a handler wrote."""

    handler: str
    key: str
    label: str


class Effects(Sql):
    def count(self) -> int:
        return self.value("SELECT count(*) FROM chaos_effect") or 0

    def newest(self) -> int:
        """The last one's id, which grows as long as anything is handled."""
        return self.value("SELECT max(id) FROM chaos_effect") or 0

    def all(self) -> list[Effect]:
        """In the order they were begun."""
        rows = self.rows("SELECT handler, chaos_effect.key, label FROM chaos_effect ORDER BY id")
        return [Effect(*row) for row in rows or ()]

    def trails(self) -> Mapping[str, Sequence[str]]:
        """Of each key what the ordered handler made of it, one step after the other."""
        trails: dict[str, Sequence[str]] = defaultdict(list)
        # "key" is a word of MySQL's own.
        rows = self.rows("SELECT chaos_trail.key, labels FROM chaos_trail") or ()
        trails.update((key, read(labels)) for key, labels in rows)
        return trails

    def attempts_left(self) -> int:
        """Attempts that were noted as begun and not as ended."""
        return self.value("SELECT count(*) FROM consumers_attempt") or 0
