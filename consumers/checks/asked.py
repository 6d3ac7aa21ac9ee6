"""System checks of handlers with ask=True."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import combinations, product, starmap
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from consumers.bindings import known_signal, rules_about, sender_name
from consumers.discovery import discover
from consumers.exceptions import HandlersNotImportable, NamelessSignal
from consumers.handler import Handler, Trigger
from consumers.registry import handlers
from publisher.rules import may_decide


def check_asked(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Checks that no two handlers answer the same question, and that the rule for its signal has delivery "ask"."""
    # check_handlers reports a module that cannot be imported.
    with suppress(HandlersNotImportable):
        discover()
    asked = [handler for handler in handlers() if handler.ask]
    return [*_check_alone(asked), *(message for handler in asked for message in _check_rules(handler))]


def _check_alone(asked: Sequence[Handler]) -> Iterator[CheckMessage]:
    for one, other in combinations(asked, 2):
        if any(starmap(_meet, product(one.triggers, other.triggers))):
            yield Error(
                f"{one.path} and {other.path} would both answer the same question.",
                hint="Only the first answer would count. Keep ask=True in one of them, or change their senders.",
                id="consumers.E004",
            )


def _meet(one: Trigger, other: Trigger) -> bool:
    """Whether the same question would go to both."""
    senders = {sender_name(one.sender), sender_name(other.sender)}
    return one.signal is other.signal and (len(senders) == 1 or None in senders)


def _check_rules(handler: Handler) -> Iterator[CheckMessage]:
    """A handler that is never asked, because all rules for its signal and sender deliver in other ways."""
    for signal in handler.signals:
        try:
            rules = rules_about(known := known_signal(signal))
        except NamelessSignal:
            continue  # reported by check_handlers
        senders = [sender_name(trigger.sender) for trigger in handler.triggers if trigger.signal is signal]
        deliveries = [rule.delivery for sender in senders for rule in may_decide(rules, sender)]
        if deliveries and "ask" not in deliveries:
            yield Warning(
                f"{handler.path} answers {known.name}, which a rule delivers by {deliveries[0]!r}.",
                hint='Write "delivery": "ask" into the rule, or take `ask=True` out of the handler.',
                id="consumers.W001",
            )
