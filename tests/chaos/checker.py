"""The judgement: pure, over what was attempted, what committed and what was delivered."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Delivery(NamedTuple):
    """One message as the recorder saw it. `redelivered` is the broker's own repetition, not the publisher's."""

    event_id: str
    key: str
    label: str
    redelivered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Labels name saves. `history` is the database's word: of each key what committed, in that order.

    The first `calm` deliveries came before any fault.
    """

    attempted: frozenset[str]
    committed: frozenset[str]
    rolled_back: frozenset[str]
    history: Mapping[str, Sequence[str]]
    deliveries: Sequence[Delivery]
    calm: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The first six are labels that accuse; a clean run has none. `duplicates` are allowed, to a number."""

    lost: tuple[str, ...]
    invented: tuple[str, ...]
    inverted: tuple[str, ...]
    doubled: tuple[str, ...]
    misremembered: tuple[str, ...]
    attempted: int
    committed: int
    rolled_back: int
    unknown: int
    unknown_committed: int
    delivered: int
    duplicates: int
    calm_duplicates: int
    redelivered: int


def judge(facts: Facts) -> Verdict:
    present = frozenset(label for labels in facts.history.values() for label in labels)
    delivered = frozenset(delivery.label for delivery in facts.deliveries)
    unknown = facts.attempted - facts.committed - facts.rolled_back
    firsts = list(first_of_each_event(facts.deliveries))
    return Verdict(
        lost=_sorted((facts.committed | present) - delivered),
        invented=_sorted(delivered - facts.committed - present),
        inverted=tuple(inversions(firsts, facts.history)),
        doubled=_sorted(doubled(firsts)),
        misremembered=_sorted((facts.committed - present) | (facts.rolled_back & present)),
        attempted=len(facts.attempted),
        committed=len(facts.committed | present),
        rolled_back=len(facts.attempted - facts.committed - present),
        unknown=len(unknown),
        unknown_committed=len(unknown & present),
        delivered=len(firsts),
        duplicates=duplicates(facts.deliveries),
        calm_duplicates=duplicates(facts.deliveries[: facts.calm]),
        redelivered=sum(delivery.redelivered for delivery in facts.deliveries),
    )


def first_of_each_event(deliveries: Iterable[Delivery]) -> Iterable[Delivery]:
    """What a consumer that remembers ids would handle."""
    seen: set[str] = set()
    for delivery in deliveries:
        if delivery.event_id not in seen:
            seen.add(delivery.event_id)
            yield delivery


def inversions(firsts: Iterable[Delivery], history: Mapping[str, Sequence[str]]) -> Iterable[str]:
    """Those that came after a later one of the same key.

    Not those that the broker gave out before, to a connection of the recorder's that ended with them unread: it gives
    them out again behind what nobody has had yet.
    """
    place = {key: {label: number for number, label in enumerate(labels)} for key, labels in history.items()}
    latest: dict[str, int] = defaultdict(lambda: -1)
    for delivery in firsts:
        number = place.get(delivery.key, {}).get(delivery.label)
        if number is None:
            continue
        if number < latest[delivery.key] and not delivery.redelivered:
            yield delivery.label
        latest[delivery.key] = max(number, latest[delivery.key])


def doubled(firsts: Iterable[Delivery]) -> set[str]:
    """Saves that became two events: no consumer could tell that they are one."""
    counts = Counter(delivery.label for delivery in firsts)
    return {label for label, count in counts.items() if count > 1}


def duplicates(deliveries: Iterable[Delivery]) -> int:
    """How many messages were published again: what the broker repeated by itself is marked, and not counted."""
    fresh: dict[str, int] = defaultdict(int)
    for delivery in deliveries:
        fresh[delivery.event_id] += not delivery.redelivered
    return sum(max(count - 1, 0) for count in fresh.values())


def _sorted(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(labels))
