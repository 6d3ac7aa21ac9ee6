"""System checks of handlers, and of the settings about them."""

import sys
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from importlib import import_module
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction, unwrap
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning
from django.db.models.signals import ModelSignal, post_delete
from django.dispatch import receiver
from django.utils.module_loading import import_string

from consumers.bindings import is_missing_model, known_signal, rules_about
from consumers.checks.parameters import check_parameters
from consumers.checks.sent import check_asked_alone, check_forwarded
from consumers.discovery import handler_modules
from consumers.exceptions import HandlerNameTaken, NamelessSignal
from consumers.handler import Handler
from consumers.instances import DELETIONS
from consumers.registry import handlers
from publisher import conf
from publisher.catalogue.modules import text_of
from publisher.catalogue.signals import known_as
from publisher.checks.missing_models import missing_model
from publisher.checks.offload import connected_receivers
from publisher.checks.subjects import is_about_nothing, known_kwargs
from publisher.raised import why_not_imported
from publisher.wire.routing import QUEUE_MARK

# From 0 to 1: how similar an app or model has to be to a known one to be taken for a misspelling of it.
ALIKE = 0.82


def check_handlers(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Checks the settings, whether modules can be imported, whether names are unique, then each handler by itself."""
    entries = conf.setting("HANDLERS")
    if not isinstance(entries, list | tuple) or not all(isinstance(entry, str) for entry in entries):
        hint = "Make it a list of dotted module paths."
        return [Error(f"SIGNAL_BRIDGE['HANDLERS'] cannot be {entries!r}.", hint=hint, id="consumers.E001")]
    if messages := [message for message in (_check_on_failure(), _check_context()) if message is not None]:
        return messages
    modules = [message for name in handler_modules() if (message := _check_module(name))]
    return [
        *modules,
        *_check_connected(handler_modules()),
        *(message for handler in handlers() for check in CHECKS for message in check(handler)),
    ]


def _check_on_failure() -> CheckMessage | None:
    path = conf.setting("ON_FAILURE")
    if path is None:
        return None
    try:
        function = import_string(path)
    except Exception as exc:
        hint = "Name a function by its dotted path, as 'shop.errors.report', or leave it out."
        message = f"SIGNAL_BRIDGE['ON_FAILURE'], {path!r}, cannot be imported: {why_not_imported(exc)}"
        return Error(message, hint=hint, id="consumers.E007")
    if callable(function) and not iscoroutinefunction(function):
        return None
    hint = "Name a `def` that can be called as report(exception, *, event, handler, attempt, is_dead)."
    what = "is `async def`, and would not be awaited" if callable(function) else "is no function"
    return Error(f"SIGNAL_BRIDGE['ON_FAILURE'], {path!r}, {what}.", hint=hint, id="consumers.E007")


def _check_context() -> CheckMessage | None:
    path = conf.setting("HANDLER_CONTEXT")
    if path is None:
        return None
    hint = "Name a function with @contextmanager that takes an event, as 'shop.context.restored'."
    try:
        function = import_string(path)
    except Exception as exc:
        message = f"SIGNAL_BRIDGE['HANDLER_CONTEXT'], {path!r}, cannot be imported: {why_not_imported(exc)}"
        return Error(message, hint=hint, id="consumers.E008")
    if not callable(function):
        what = "is no function"
    elif iscoroutinefunction(function) or isasyncgenfunction(unwrap(function)):
        what = "is `async`: handlers, also those that are `async def`, run within a plain `with`"
    elif isgeneratorfunction(function):
        what = "lacks the decorator @contextmanager"
    else:
        return None
    return Error(f"SIGNAL_BRIDGE['HANDLER_CONTEXT'], {path!r}, {what}.", hint=hint, id="consumers.E008")


def _check_module(name: str) -> CheckMessage | None:
    try:
        import_module(name)
    except HandlerNameTaken as exc:
        return Error(
            str(exc), hint="Each handler has a queue of its own, which is named after it.", id="consumers.E003"
        )
    except Exception as exc:
        is_named = name in conf.handler_modules()
        hint = "Mend the module, or take it out of SIGNAL_BRIDGE['HANDLERS']." if is_named else "Mend the module."
        message = f"The handlers in {name!r} cannot be imported: {why_not_imported(exc)}"
        return Error(message, hint=hint, id="consumers.E002")
    return None


def _check_connected(modules: Collection[str]) -> Iterator[CheckMessage]:
    """Warns of receivers that Django's own decorator connects in a module of handlers.

    Only consumers import the module, so these receivers never run in the site's process.
    """
    if not any(map(_may_connect, modules)):
        return
    for each in connected_receivers():
        if each.can_be_offloaded and not each.offloaded and getattr(each.receiver, "__module__", "") in modules:
            yield Warning(
                f"{each.path} is no handler, but a plain receiver of {each.signal}, in consumers' own processes.",
                hint="Write `from consumers import receiver` instead of importing Django's.",
                id="consumers.W003",
            )


def _may_connect(name: str) -> bool:
    """Whether the module may connect receivers at all. Asked first, since to search all signals takes long."""
    module = sys.modules.get(name)
    source = text_of(getattr(module, "__file__", None) or "")
    named = vars(module).values() if module else ()
    return "django.dispatch" in source or ".connect(" in source or any(value is receiver for value in named)


def _check_signals(handler: Handler) -> Iterator[CheckMessage]:
    try:
        for signal in handler.signals:
            known_signal(signal)
    except NamelessSignal:
        yield Error(
            f"{handler.path} handles a signal that has no name: no module of an installed app holds it.",
            hint="Assign it to a name at the top of a module, as in `order_placed = Signal()`.",
            id="consumers.E006",
        )


def _check_sender(handler: Handler) -> Iterator[CheckMessage]:
    """Warns of a sender's label that is misspelt. If its app is unknown, it may be that of another service's model."""
    senders = [sender for signal, sender in handler.triggers if isinstance(signal, ModelSignal)]
    for label in dict.fromkeys(sender for sender in senders if isinstance(sender, str)):
        if "." not in label:
            hint = "Write the app's label, too, as in 'orders.Order'."
            yield Warning(f"{handler.path}: {label!r} is no model's label.", hint=hint, id="consumers.W002")
        elif is_missing_model(label):
            labels = [model._meta.label for model in apps.get_models(include_auto_created=True, include_swapped=True)]
            what, hint = missing_model(label, labels)
            yield Warning(f"{handler.path}: {what}.", hint=hint, id="consumers.W002")
        elif (meant := _meant_by(label)) is not None:
            what = f"{handler.path}: no app that is installed here has a model {label!r}"
            hint = f"Did you mean {meant!r}? If another service has a model {label!r}, ignore this."
            yield Warning(f"{what}.", hint=hint, id="consumers.W002")
        elif (swapped := _swapped_for(label)) is not None:
            what = f"{handler.path}: {label!r} is swapped for another model, so it sends no signals."
            yield Warning(what, hint=f"Write {swapped!r}.", id="consumers.W002")


def _meant_by(label: str) -> str | None:
    """The model of this project that was probably meant by a label with an unknown app.

    App and model both have to be similar: other services, too, have a model called User.
    """
    app, _, name = label.lower().partition(".")
    labels = {config.label.lower(): config for config in apps.get_app_configs()}
    if app in labels:
        return None
    for near in get_close_matches(app, labels, cutoff=ALIKE):
        models = {model._meta.model_name or "": model for model in labels[near].get_models(include_swapped=True)}
        for found in get_close_matches(name, models, n=1, cutoff=ALIKE):
            return models[found]._meta.label
    return None


def _swapped_for(label: str) -> str | None:
    try:
        return apps.get_model(label)._meta.swapped or None
    except (LookupError, ValueError):
        return None


def _check_case(handler: Handler) -> Iterator[CheckMessage]:
    """Warns of capitals in a pattern. Keys are in lower case, unless a rule has a `routing_key` of its own."""
    if any(rule.routing_key for rule in conf.rules()):
        return
    for pattern in handler.patterns:
        if pattern != pattern.lower() and not pattern.startswith(QUEUE_MARK):
            hint = f"Write {pattern.lower()!r}, unless a rule of another service forms keys with capitals."
            yield Warning(
                f"{handler.path}: {pattern!r} has capitals, but routing keys are in lower case.",
                hint=hint,
                id="consumers.W004",
            )


def _check_order(handler: Handler) -> Iterator[CheckMessage]:
    """Warns of ordered handlers for signals whose events have no subject: there is no key to order them by."""
    for signal in handler.signals if handler.ordered else ():
        known = known_as(signal)
        if known is None or not is_about_nothing(known):
            continue
        rules = rules_about(known)
        if rules and all(rule.subject is None for rule in rules):
            yield Warning(
                f"{handler.path} is ordered, but events of {known.name} have no subject: each waits for all before it.",
                hint=f'Write "subject": {known_kwargs(known)[0]!r}, or another kwarg, into the rule, or send the '
                "signal with `instance=`. If its sender is an instance, ignore this.",
                id="consumers.W006",
            )


def _check_fresh(handler: Handler) -> Iterator[CheckMessage]:
    """Warns of instance="fresh" for deletions. With ask=True, `pre_delete` is fine: the row is still there."""
    gone = (post_delete,) if handler.ask else DELETIONS
    if handler.instance == "fresh" and any(signal in gone for signal in handler.signals):
        yield Warning(
            f"{handler.path} is not called for deletions: it asks for the row as it is now, and there is none.",
            hint="Take instance='fresh' out, or write another handler for deletions, which gets the row as it was.",
            id="consumers.W007",
        )


CHECKS = (
    _check_signals,
    check_asked_alone,
    check_forwarded,
    _check_sender,
    _check_case,
    _check_order,
    _check_fresh,
    check_parameters,
)
