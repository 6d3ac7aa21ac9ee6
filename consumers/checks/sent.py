"""System checks of what handlers wait for: whether this project sends it at all, and in such a way that they get it."""

from collections.abc import Iterator

from django.core.checks import CheckMessage, Warning
from django.db.models.signals import ModelSignal

from consumers.bindings import is_forwarded, rules_about, sender_name
from consumers.discovery import handler_modules
from consumers.handler import Handler
from consumers.instances import model_named
from publisher import conf
from publisher.catalogue.signals import known_as


def check_asked_alone(handler: Handler) -> Iterator[CheckMessage]:
    """A question goes to handlers that are asked, and to no other."""
    known = [each for signal in handler.signals if (each := known_as(signal)) is not None]
    rules = [rule for each in known for rule in rules_about(each)]
    if not handler.ask and rules and all(rule.delivery == "ask" for rule in rules):
        yield Warning(
            f"{handler.path} is never called: {known[0].name} is delivered by 'ask', to handlers that are asked.",
            hint="Write ask=True, and return the answer, or take \"delivery\": 'ask' out of the rule.",
            id="consumers.W008",
        )


def check_forwarded(handler: Handler) -> Iterator[CheckMessage]:
    """Of models of this project. Without rules it sends nothing, and what comes is another service's.

    Not of handlers that only happen to be imported, as examples are.
    """
    if handler.function.__module__ not in handler_modules():
        return
    senders = [sender_name(sender) for signal, sender in handler.triggers if isinstance(signal, ModelSignal)]
    labels = [label for label in senders if label is not None and model_named(label) is not None]
    if labels and len(labels) == len(handler.triggers) and conf.rules() and not is_forwarded(handler):
        yield Warning(
            f"{handler.path} is never called, unless another service sends its events: no rule here takes them.",
            hint=f"Let a rule of FORWARD take its signal, with {labels[0]!r} among its senders.",
            id="consumers.W009",
        )
