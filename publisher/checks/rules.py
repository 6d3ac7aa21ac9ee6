"""System checks of one rule of FORWARD: a function for each thing that can be wrong."""

import sys
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib.util import find_spec

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning
from django.db.models.signals import ModelSignal, m2m_changed, post_save
from django.utils.module_loading import import_string

from publisher.catalogue.modules import is_within
from publisher.catalogue.signals import catalogue, matching, taken_by
from publisher.checks.ask import check_ask
from publisher.checks.bulk import check_tellers
from publisher.checks.fields import check_fields
from publisher.checks.keys import check_routing_key
from publisher.checks.missing_models import missing_model
from publisher.checks.subjects import check_kwargs_of_key, check_subject
from publisher.hints import MOST_HINTS, near
from publisher.relations import is_through, throughs_of
from publisher.rules import OWN_APPS, SENDERS_UNLESS_NAMED, UNLESS_NAMED, Rule, is_glob
from publisher.wire.routing import class_label, text_label

# How alike a word and a model's name must be for the word to be a misspelt model: `articel`.
ALIKE = 0.75


def _check_signal(rule: Rule, where: str) -> Iterator[CheckMessage]:
    found = matching(rule.signal)
    if found and is_glob(rule.signal) and not any(rule.takes_signal(known.name) for known in found):
        yield Error(
            f"{where}: {rule.signal!r} only matches signals that a glob does not forward.",
            hint=f"Name the signal itself: {' or '.join(repr(known.name) for known in found[:MOST_HINTS])}.",
            id="publisher.E006",
        )
    if not found:
        names = [known.name for known in catalogue()]
        yield Error(
            f"{where}: there is no signal {rule.signal!r}.",
            hint=near(rule.signal, names),
            id="publisher.E006",
        )


def _check_flood(rule: Rule, where: str) -> Iterator[CheckMessage]:
    if any(known.name in UNLESS_NAMED for known in taken_by(rule)) and not rule.senders and rule.when is None:
        yield Warning(
            f"{where}: {rule.signal!r} is sent for every row that is read, or for every model class.",
            hint="Give the rule 'senders' or 'when': each event is a row in the outbox.",
            id="publisher.W002",
        )


def _check_senders(rule: Rule, where: str) -> Iterator[CheckMessage]:
    labels = [model._meta.label_lower for model in apps.get_models(include_auto_created=True)]
    models_alone = all(isinstance(known.signal, ModelSignal) for known in matching(rule.signal))
    for pattern in (*rule.senders, *rule.exclude):
        is_known = any(fnmatchcase(label, pattern) for label in labels)
        if not is_known and (models_alone or not (_may_be_class(pattern, labels) or _may_be_text(pattern, labels))):
            what, hint = missing_model(pattern, labels)
            yield Error(f"{where}: {what}.", hint=hint, id="publisher.E007")
    for pattern in rule.senders:
        labels_taken = [label for label in labels if fnmatchcase(label, pattern)]
        if labels_taken and not any(map(Rule(signal="*", senders=(pattern,)).takes_sender, labels_taken)):
            yield Error(
                f"{where}: {pattern!r} takes no sender: sessions must be named outright, and the bridge's models are "
                "never forwarded.",
                hint=f"Write {', '.join(map(repr, sorted(SENDERS_UNLESS_NAMED)))} for sessions, which hold secrets.",
                id="publisher.E007",
            )


def _check_takes_somebody(rule: Rule, where: str) -> Iterator[CheckMessage]:
    """Check that one of `senders` sends the signal, if only models do. `_check_senders` reports unknown senders."""
    found = [known.signal for known in matching(rule.signal)]
    if not rule.senders or not all(isinstance(signal, ModelSignal) for signal in found):
        return
    is_of_relations = found == [m2m_changed]
    models = apps.get_models(include_auto_created=True)
    named = [model for model in models if any(fnmatchcase(model._meta.label_lower, each) for each in rule.senders)]
    through = [relation for model in named for relation in throughs_of(model)]
    senders = [model for model in named if not is_of_relations or is_through(model)]
    if not named or any(rule.takes_sender(model._meta.label_lower) for model in senders):
        return
    hint = "Correct 'exclude', which excludes all 'senders'."
    if is_of_relations and not senders:
        labels = " or ".join(repr(model._meta.label) for model in through[:MOST_HINTS]) or "'auth.User_groups'"
        hint = f"Name the model of the relation, as {labels}."
    yield Warning(f"{where}: {rule.signal!r} is sent by none of 'senders'.", hint=hint, id="publisher.W007")


def _may_be_class(pattern: str, labels: Sequence[str]) -> bool:
    """Whether the pattern can mean a class that is no model, as `package.classname`, or the app's configuration.

    An app often has its package's name. Then it means a model if it is nearly the label of one: `shop.ordr`.
    """
    if any(fnmatchcase(class_label(type(config)), pattern) for config in apps.get_app_configs()):
        return True
    package, _, name = pattern.partition(".")
    if not package or not name or "." in name or package in OWN_APPS:
        return False
    models = [label.rpartition(".")[2] for label in labels if label.startswith(f"{package}.")]
    if get_close_matches(name, models, n=1, cutoff=ALIKE):
        return _is_loaded_class(pattern, package)
    # Patterns are in lower case.
    is_loaded = package in {module.partition(".")[0].lower() for module in list(sys.modules)}
    return is_loaded or is_glob(package) or find_spec(package) is not None


def _is_loaded_class(pattern: str, package: str) -> bool:
    modules = [module for name, module in list(sys.modules.items()) if is_within(name.lower(), package)]
    values = [value for module in modules for value in list(getattr(module, "__dict__", {}).values())]
    # Not `isinstance`, which would load what is lazy.
    return any(issubclass(type(value), type) and fnmatchcase(class_label(value), pattern) for value in values)


def _may_be_text(pattern: str, labels: Sequence[str]) -> bool:
    """Whether the pattern can mean a sender that is text: a module's name, or a word unlike a model's name."""
    if "." in pattern:
        return pattern in map(str.lower, list(sys.modules))
    names = [label.rpartition(".")[2] for label in labels]
    return text_label(pattern) is not None and not get_close_matches(pattern, names, n=1, cutoff=ALIKE)


def _check_when(rule: Rule, where: str) -> Iterator[CheckMessage]:
    reason = None if rule.when is None else _why_no_predicate(rule.when)
    if reason is not None:
        hint = "Give the dotted path of a function that takes (sender, **kwargs) and returns whether to forward."
        yield Error(f"{where}: {rule.when!r} is no predicate: {reason}.", hint=hint, id="publisher.E010")


def _why_no_predicate(when: object) -> str | None:
    if not isinstance(when, str):
        return "expected a dotted path"
    try:
        return None if callable(import_string(when)) else "it is not callable"
    except Exception as exc:
        return f"{type(exc).__name__}: {exc}"


def _check_unroutable(rule: Rule, where: str) -> Iterator[CheckMessage]:
    if rule.delivery == "direct" and rule.unroutable == "keep":
        hint = "Use the delivery \"outbox\", which keeps an event until a queue is bound, or leave 'unroutable' out."
        message = f"{where}: 'unroutable' is 'keep', but the delivery is 'direct'."
        yield Error(message, hint=hint, id="publisher.E019")


def _check_changes(rule: Rule, where: str) -> Iterator[CheckMessage]:
    if rule.changes and not any(known.signal is post_save for known in taken_by(rule)):
        hint = "Leave 'changes' out, or use it in a rule for 'django.db.models.signals.post_save'."
        yield Error(f"{where}: {rule.signal!r} is sent without 'changes'.", hint=hint, id="publisher.E017")


RULE_CHECKS: Sequence[Callable[[Rule, str], Iterator[CheckMessage]]] = (
    _check_signal,
    _check_flood,
    _check_senders,
    _check_takes_somebody,
    check_fields,
    check_routing_key,
    check_subject,
    check_kwargs_of_key,
    _check_when,
    _check_unroutable,
    _check_changes,
    check_ask,
    check_tellers,
)
