"""System checks of the order of rules: the first that matches decides, so a later one may never decide."""

from collections.abc import Iterator, Mapping

from django.core.checks import CheckMessage, Warning
from django.db.models.signals import ModelSignal

from publisher.catalogue.signals import KnownSignal, taken_by
from publisher.receivers import senders_of
from publisher.rules import Rule, first_match, is_glob

HINT = "The first rule that matches decides: write this rule before those that take more."


def check_order(rules: Mapping[str, Rule]) -> Iterator[CheckMessage]:
    """A warning for each rule that never decides. `rules` are the readable ones, by their place in FORWARD."""
    before: list[Rule] = []
    for where, rule in rules.items():
        signals = taken_by(rule)
        if before and signals and all(_is_taken(known, rule, before) for known in signals):
            yield Warning(
                f"{where} never decides: rules before it take all that it names.", hint=HINT, id="publisher.W005"
            )
        if rule.when is None:
            before.append(rule)


def _is_taken(known: KnownSignal, rule: Rule, before: list[Rule]) -> bool:
    others = tuple(other for other in before if any(each.signal is known.signal for each in taken_by(other)))
    if not isinstance(known.signal, ModelSignal):
        return _are_taken(rule, others)
    labels = [model._meta.label_lower for model in senders_of(known, (rule,)) if model is not None]
    return bool(labels) and all(first_match(others, label) for label in labels)


def _are_taken(rule: Rule, others: tuple[Rule, ...]) -> bool:
    """Whether the others take all senders of the rule, which anything may be. Of globs only equal ones are compared."""
    alike = [other for other in others if {*other.exclude} <= {*rule.exclude}]
    if not rule.senders:
        return any(not other.senders for other in alike)
    return all(
        any(not other.senders or sender in other.senders for other in alike)
        if is_glob(sender)
        else first_match(others, sender) is not None
        for sender in rule.senders
    )
