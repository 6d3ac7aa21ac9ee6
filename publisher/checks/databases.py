"""System checks of the databases: the outbox must be where the writes are, or nothing can be kept."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning
from django.db import DEFAULT_DB_ALIAS, connections, router
from django.db.models import Model
from django.db.models.signals import ModelSignal

from publisher import conf
from publisher.catalogue.entries import entries
from publisher.catalogue.signals import KnownSignal, catalogue
from publisher.checks.subjects import known_kwargs
from publisher.models import OUTBOX, OutboxEvent
from publisher.offload.offload import models_of
from publisher.offload.stand_in import stand_in_of
from publisher.receivers import rules_by_signal, senders_of
from publisher.rules import Rule
from publisher.tables import how_to_migrate, is_told_to_migrate, is_up_to_date


def check_routers(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Every alias that events are written to may have an outbox."""
    hint = "Let your router's allow_migrate answer True (or None) for the app 'publisher' on this alias."
    refused = [
        Error(
            f"Events are written to {alias!r}, where a router does not allow the outbox.",
            hint=hint,
            id="publisher.E013",
        )
        for alias in written_aliases()
        if not router.allow_migrate_model(alias, OutboxEvent)
    ]
    doubtful = [
        Warning(
            f"Events of {name} with an instance of {alias!r} are written there, where a router does not allow "
            "the outbox.",
            hint=f"{hint} Or send them with using='default'.",
            id="publisher.W010",
        )
        for alias, name in doubtful_aliases().items()
        if not router.allow_migrate_model(alias, OutboxEvent)
    ]
    return [*refused, *doubtful]


def check_outbox_migrated(
    app_configs: object, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """The outbox is there on the aliases that are checked: `manage.py check --database ALIAS`."""
    if is_told_to_migrate():
        return []  # which is about to make it
    missing = [
        Error(
            f"Events are written to {alias!r}, where the outbox is not migrated.",
            hint=f"Run: {how_to_migrate(OutboxEvent, alias)}",
            id="publisher.E014",
        )
        for alias in written_aliases()
        if alias in (databases or ()) and not has_outbox(alias)
    ]
    doubtful = [
        Warning(
            f"Events of {name} with an instance of {alias!r} are written there, where the outbox is not migrated.",
            hint=f"Run: {how_to_migrate(OutboxEvent, alias)}. Or send them with using='default'.",
            id="publisher.W011",
        )
        for alias, name in doubtful_aliases().items()
        if alias in (databases or ()) and not has_outbox(alias)
    ]
    return [*missing, *doubtful]


def check_sqlite(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """An SQLite file with an outbox has more than one writer: `manage.py check --deploy`."""
    return [
        Warning(
            f"Events are written to {alias!r}, an SQLite file, without OPTIONS that make a writer wait for the others.",
            hint='Give it "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20}, else a transaction that reads '
            'before it writes may end with "database is locked".',
            id="publisher.W013",
        )
        for alias in written_aliases()
        if connections[alias].vendor == "sqlite" and not waits_for_writers(connections[alias].settings_dict["OPTIONS"])
    ]


def waits_for_writers(options: Mapping[str, Any]) -> bool:
    """Whether a transaction begins as one that writes. https://docs.djangoproject.com/en/5.2/ref/databases/"""
    return str(options.get("transaction_mode")).upper() in ("IMMEDIATE", "EXCLUSIVE")


def has_outbox(alias: str) -> bool:
    return all(is_up_to_date(model, alias) for model in OUTBOX)


def written_aliases() -> Iterable[str]:
    """Where events are written: with the model that sends them, as the routers say it without an instance."""
    senders = dict.fromkeys((*forwarded_senders(), *offloaded_senders()))
    # Of no model, it is the database that `alias_of` ends with.
    return dict.fromkeys(DEFAULT_DB_ALIAS if sender is None else router.db_for_write(sender) for sender in senders)


def doubtful_aliases() -> dict[str, str]:
    """Where events of signals that no model sends may be written besides, and of which signal.

    It is the instance that decides. A signal may have to do with the models that its rule names as senders, else with
    those of the app that defines it; with no others, or every project with two databases would be warned.
    """
    if len(connections.settings) == 1:
        return {}
    rules = tuple(rule for rule in conf.rules() if rule.delivery == "outbox")
    sure = frozenset(written_aliases())
    found: dict[str, str] = {}
    for known, its_rules in rules_by_signal(rules):
        if isinstance(known.signal, ModelSignal):
            continue
        near = dict.fromkeys(map(router.db_for_write, models_near(known, its_rules)))
        # To look for what a signal is sent with takes longer.
        if (doubtful := [alias for alias in near if alias not in sure]) and may_have_instance(known):
            found = {**dict.fromkeys(doubtful, known.name), **found}
    return found


def may_have_instance(known: KnownSignal) -> bool:
    names = known_kwargs(known)
    return not names or "instance" in names


def models_near(known: KnownSignal, rules: Sequence[Rule]) -> Iterator[type[Model]]:
    app = apps.get_containing_app_config(known.module)
    for model in apps.get_models():
        is_named = any(rule.senders and rule.takes_sender(model._meta.label_lower) for rule in rules)
        is_of_app = app is not None and app.label == model._meta.app_label
        if is_named or (is_of_app and not all(rule.senders for rule in rules)):
            yield model


def forwarded_senders() -> Iterator[type[Model] | None]:
    """The models that rules send to the outbox; None for signals that no model sends."""
    rules = tuple(rule for rule in conf.rules() if rule.delivery == "outbox")
    for known, its_rules in rules_by_signal(rules):
        yield from senders_of(known, its_rules)


def offloaded_senders() -> Iterator[type[Model] | None]:
    """The same for what offloaded receivers are connected to."""
    # To look through all signals takes longer than all other checks.
    for known in catalogue() if conf.offload() else ():
        for entry in entries(known.signal):
            if stand_in_of(entry.held):
                yield from models_of(entry) if isinstance(known.signal, ModelSignal) else (None,)
