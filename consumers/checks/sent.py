"""System checks of whether this project sends what a handler waits for, with a delivery that reaches the handler."""

from collections.abc import Iterator

from django.apps import apps
from django.core.checks import CheckMessage, Warning
from django.db.models.signals import ModelSignal

from consumers.bindings import is_forwarded, rules_about, sender_name
from consumers.discovery import handler_modules
from consumers.handler import Handler, Trigger
from consumers.instances import model_named
from publisher import conf
from publisher.catalogue.signals import known_as
from publisher.raised import LIBRARIES
from publisher.rules import OWN_APPS


def check_asked_alone(handler: Handler) -> Iterator[CheckMessage]:
    """Warns of a handler without ask=True for signals that are delivered by "ask": it never gets their events."""
    known = [each for signal in handler.signals if (each := known_as(signal)) is not None]
    rules = [rule for each in known for rule in rules_about(each)]
    if not handler.ask and rules and all(rule.delivery == "ask" for rule in rules):
        yield Warning(
            f"{handler.path} is never called: {known[0].name} is delivered by 'ask', only to handlers with ask=True.",
            hint="Write ask=True, and return the answer, or take \"delivery\": 'ask' out of the rule.",
            id="consumers.W008",
        )


def check_forwarded(handler: Handler) -> Iterator[CheckMessage]:
    """Warns of a handler for models and signals of this project, if no rule forwards them.

    There is no warning if the project has no rules: then it only handles what others send. Nor for handlers outside of
    the modules that are searched for handlers, such as imported examples.
    """
    if handler.function.__module__ not in handler_modules() or not conf.rules():
        return
    hints = [_hint(trigger, is_asked=handler.ask) for trigger in handler.triggers]
    if hints and None not in hints and not is_forwarded(handler):
        yield Warning(
            f"{handler.path} is never called, unless another service sends its events: no rule here takes them.",
            hint=hints[0],
            id="consumers.W009",
        )


def _hint(trigger: Trigger, *, is_asked: bool) -> str | None:
    """A hint at the missing rule; None if another service may send the signal as well."""
    if isinstance(trigger.signal, ModelSignal):
        label = sender_name(trigger.sender)
        is_here = label is not None and model_named(label) is not None
        return f"Let a rule of FORWARD take its signal, with {label!r} in the rule's senders." if is_here else None
    known = known_as(trigger.signal)
    if known is None or is_asked or not _is_of_this_project(known.module):
        return None
    senders = "" if trigger.sender is None else " from its sender"
    return f"Let a rule of FORWARD take {known.name!r}{senders}."


def _is_of_this_project(module: str) -> bool:
    """Whether the module is of an app in this project. An installed package may be sending in other services, too."""
    config = apps.get_containing_app_config(module)
    return config is not None and config.label not in OWN_APPS and not config.path.startswith(LIBRARIES)
