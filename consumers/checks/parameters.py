"""System checks of what handlers ask for: a parameter that is never given would fail every call."""

import inspect
from collections.abc import Iterator

from django.core.checks import CheckMessage, Warning
from django.dispatch import Signal

from consumers.bindings import known_signal, rules_about
from consumers.exceptions import NamelessSignal
from consumers.registry import Handler
from publisher import conf
from publisher.catalogue.signals import KnownSignal
from publisher.checks.keys import SENT_WITH
from publisher.redaction import action_of
from publisher.rules import Rule

# What each handler gets beside the kwargs of its signal.
GIVEN = frozenset(("sender", "signal", "event"))
CHANGES = "changes"


def check_parameters(handler: Handler) -> Iterator[CheckMessage]:
    if not handler.signals:
        return
    for name in _needed(handler):
        for signal in handler.signals:
            if (fault := _fault(name, signal)) is not None:
                reason, hint = fault
                yield Warning(f"{handler.path} asks for {name!r}{reason}.", hint=hint, id="consumers.W005")
                break


def _needed(handler: Handler) -> list[str]:
    # Not of what a decorator wraps, which may be given more.
    parameters = inspect.signature(handler.function, follow_wrapped=False).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [each.name for each in parameters if each.kind in kinds and each.default is each.empty]


def _fault(name: str, signal: Signal) -> tuple[str, str] | None:
    """Why it is never given, and what to do; None where it is, or nobody can tell."""
    if name in GIVEN:
        return None
    try:
        known = known_signal(signal)
    except NamelessSignal:
        return None  # another check says so
    rules = rules_about(known)
    if rules and conf.is_redact_read() and all(action_of(name, rule.redact) == "drop" for rule in rules):
        hint = f'Take it out of the parameters, or write "redact": {{"{name}": "keep"}} into the rule.'
        return ", which sounds like a secret, or REDACT names, and does not leave", hint
    sent = SENT_WITH.get(known.name)
    if sent is None or name in sent or _may_be_changes(name, known, rules):
        return None
    if name == CHANGES and "created" in sent:
        return f", which no rule adds to {known.word}", 'Write "changes": True into the rule, or changes=None here.'
    return f", which {known.word} is not sent with", f"It is sent with {', '.join(sorted(sent))}."


def _may_be_changes(name: str, known: KnownSignal, rules: list[Rule]) -> bool:
    """Whose rules are another service's may say `changes` there."""
    return name == CHANGES and "created" in SENT_WITH[known.name] and (not rules or any(rule.changes for rule in rules))
