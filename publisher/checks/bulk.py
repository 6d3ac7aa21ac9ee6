"""System checks of rules for `publisher.signals`: they need models with a manager that sends these signals."""

from collections.abc import Iterator
from contextlib import suppress

from django.apps import apps
from django.core.checks import CheckMessage, Warning
from django.db.models import Model

from publisher import signals
from publisher.bulk import SignalQuerySet
from publisher.catalogue.signals import matching
from publisher.rules import Rule

MOST_NAMED = 3


def check_tellers(rule: Rule, where: str) -> Iterator[CheckMessage]:
    """A warning for each pattern of `senders` that means models, but none with a manager that sends the signal."""
    found = matching(rule.signal)
    if not found or any(known.module != signals.__name__ for known in found):
        return
    for pattern in rule.senders or ("*",):
        models = list(_models(rule, pattern))
        if models and not any(map(tells, models)):
            yield _warning(rule, where, models)


def _models(rule: Rule, pattern: str) -> Iterator[type[Model]]:
    meant = Rule(signal=rule.signal, senders=(pattern,), exclude=rule.exclude)
    for model in apps.get_models():
        if meant.takes_sender(model._meta.label_lower):
            yield model


def tells(model: type[Model]) -> bool:
    """Whether the model has a manager that sends `publisher.signals`."""
    # A manager's `get_queryset` may raise.
    with suppress(Exception):
        return any(isinstance(manager.get_queryset(), SignalQuerySet) for manager in model._meta.managers)
    return False


def _warning(rule: Rule, where: str, models: list[type[Model]]) -> CheckMessage:
    first = models[0]._meta.label if rule.senders else "the models that are meant"
    return Warning(
        f"{where}: nothing sends {rule.signal!r} for {_named(models) if rule.senders else 'any model'}.",
        hint=f"Write `objects = SignalManager()` in {first}; import it from publisher.bulk.",
        id="publisher.W003",
    )


def _named(models: list[type[Model]]) -> str:
    named = ", ".join(model._meta.label for model in models[:MOST_NAMED])
    more = len(models) - MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named
