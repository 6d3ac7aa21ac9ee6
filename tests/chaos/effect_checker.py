"""The judgement of the handlers: pure, over what committed, what they did, and what lies in the dead letters."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.effects import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectFacts:
    """`history` is what committed, of each key in that order; `trails` what the handler `ordered` made of each key.

    `letters` are the names of what lies in each handler's dead letters: labels, or names of hostile messages, or
    whatever else was found there. `hostile` are the names that must be.
    """

    history: Mapping[str, Sequence[str]]
    effects: Sequence[Effect]
    trails: Mapping[str, Sequence[str]]
    ordered: str
    letters: Mapping[str, Sequence[str]]
    hostile: frozenset[str]
    is_poison: Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectVerdict:
    """Each names labels that accuse; a clean run has none. `letters_twice` are allowed, to a number."""

    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    invented: tuple[str, ...]
    half_done: tuple[str, ...]
    inverted: tuple[str, ...]
    at_once: tuple[str, ...]
    letters_missing: tuple[str, ...]
    letters_wrong: tuple[str, ...]
    letters_twice: tuple[str, ...]


def judge_effects(facts: EffectFacts) -> EffectVerdict:
    """Handlers are those that have dead letters, if none."""
    present = frozenset(label for labels in facts.history.values() for label in labels)
    poison = frozenset(filter(facts.is_poison, present))
    done = {handler: Counter(_labels(facts.effects, handler)) for handler in facts.letters}
    letters = {handler: Counter(names) for handler, names in facts.letters.items()}
    due = poison | facts.hostile
    return EffectVerdict(
        lost=_all(done, lambda labels: present - poison - labels.keys()),
        doubled=_all(done, lambda labels: {label for label, count in labels.items() if count > 1}),
        invented=_all(done, lambda labels: labels.keys() - present),
        half_done=_all(done, lambda labels: labels.keys() & poison),
        inverted=tuple(_inverted(facts, poison)),
        at_once=tuple(_at_once(facts)),
        letters_missing=_all(letters, lambda names: due - names.keys()),
        letters_wrong=_all(letters, lambda names: names.keys() - due),
        letters_twice=_all(letters, lambda names: {name for name, count in names.items() if count > 1}),
    )


def _labels(effects: Iterable[Effect], handler: str) -> Iterable[str]:
    return (effect.label for effect in effects if effect.handler == handler)


def _all(of_each: Mapping[str, Counter[str]], accuse: Callable[[Counter[str]], Iterable[str]]) -> tuple[str, ...]:
    return tuple(f"{handler} {label}" for handler, labels in of_each.items() for label in sorted(accuse(labels)))


def _inverted(facts: EffectFacts, poison: frozenset[str]) -> Iterable[str]:
    """Labels that the ordered handler came by after a later one of the same key."""
    for key, trail in facts.trails.items():
        place = {label: number for number, label in enumerate(facts.history.get(key, ()))}
        latest = -1
        for label in trail:
            number = place.get(label, latest)
            if number < latest:
                yield label
            latest = max(latest, number)


def _at_once(facts: EffectFacts) -> Iterable[str]:
    """Steps that were done and are not in their key's trail: somebody else wrote it at the same time."""
    for effect in facts.effects:
        if effect.handler == facts.ordered and effect.label not in facts.trails.get(effect.key, ()):
            yield effect.label
