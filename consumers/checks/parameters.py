"""System check of handlers' parameters: every call fails if a parameter without default is never given."""

import inspect
from collections.abc import Iterator

from django.core.checks import CheckMessage, Warning
from django.dispatch import Signal

from consumers.bindings import known_signal, rules_about, sender_name
from consumers.exceptions import NamelessSignal
from consumers.handler import Handler
from consumers.instances import model_named
from publisher import conf
from publisher.catalogue.signals import KnownSignal
from publisher.checks.keys import SENT_WITH
from publisher.redaction import action_of
from publisher.rules import Rule, may_decide

# What each handler is given beside the kwargs of its signal.
GIVEN = frozenset(("sender", "signal", "event"))
CHANGES = "changes"


def check_parameters(handler: Handler) -> Iterator[CheckMessage]:
    if not handler.signals:
        return
    for name in _needed(handler):
        for signal in handler.signals:
            if (fault := _fault(name, signal, handler)) is not None:
                reason, hint = fault
                yield Warning(f"{handler.path} asks for {name!r}{reason}.", hint=hint, id="consumers.W005")
                break


def _needed(handler: Handler) -> list[str]:
    # The outermost function counts: a decorator may pass more arguments to the function that it wraps.
    parameters = inspect.signature(handler.function, follow_wrapped=False).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [each.name for each in parameters if each.kind in kinds and each.default is each.empty]


def _fault(name: str, signal: Signal, handler: Handler) -> tuple[str, str] | None:
    """Why the parameter is not given, and what to do; None if it is given, or may be."""
    if name in GIVEN:
        return None
    try:
        known = known_signal(signal)
    except NamelessSignal:
        return None  # reported by check_handlers
    rules = rules_about(known)
    if rules and conf.is_redact_read() and all(action_of(name, rule.redact) == "drop" for rule in rules):
        hint = f'Take it out of the parameters, or write "redact": {{"{name}": "keep"}} into the rule.'
        return ", which is not sent: it sounds like a secret, or REDACT names it", hint
    sent = SENT_WITH.get(known.name)
    if sent is None or name in sent:
        return None
    if name == CHANGES and "created" in sent:
        return _fault_of_changes(known, _deciding(signal, rules, handler))
    return f", which {known.word} is not sent with", f"The signal is sent with {', '.join(sorted(sent))}."


def _deciding(signal: Signal, rules: list[Rule], handler: Handler) -> list[Rule]:
    """The rules that decide about this signal's events for the handler, for senders that this project has."""
    labels = [sender_name(trigger.sender) for trigger in handler.triggers if trigger.signal is signal]
    here = [label for label in labels if label is None or model_named(label) is not None]
    deciding = [rule for label in here for rule in may_decide(rules, label)]
    return [rule for rule in deciding if (rule.delivery == "ask") is handler.ask]


def _fault_of_changes(known: KnownSignal, rules: list[Rule]) -> tuple[str, str] | None:
    """What is wrong if not all rules have `changes`. Without rules nothing is: another service may send the signal."""
    if all(rule.changes for rule in rules):
        return None
    if not any(rule.changes for rule in rules):
        return (
            f", which no rule adds to {known.word}",
            'Write "changes": True into the rule, or changes=None in the handler.',
        )
    hint = 'Write "changes": True into each rule, or changes=None in the handler.'
    return f", which not all the rules for {known.word} add", hint
