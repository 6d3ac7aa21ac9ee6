"""What the files and the database of a run say, as the checker takes it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.chaos.checker import Delivery, Facts
from tests.chaos.journal import Outcome, notes


def facts(
    journals: Iterable[Path], history: Mapping[str, Sequence[str]], deliveries: Iterable[Delivery], calm: int
) -> Facts:
    labels: dict[Outcome, set[str]] = defaultdict(set)
    for journal in journals:
        for note in notes(journal):
            labels[note.outcome].add(note.label)
    return Facts(
        attempted=frozenset(labels[Outcome.ATTEMPTED]),
        committed=frozenset(labels[Outcome.COMMITTED]),
        rolled_back=frozenset(labels[Outcome.ROLLED_BACK]),
        history=history,
        deliveries=list(deliveries),
        calm=calm,
    )
