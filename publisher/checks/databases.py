"""System checks of the databases: each one whose writes are forwarded needs an outbox."""

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
    """Check that the routers allow an outbox on every alias that events are written to."""
    if not router.routers:
        return []
    hint = "Let your router's allow_migrate return True (or None) for the app 'publisher' on this alias."
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
            f"Events of {name} with an instance from {alias!r} are written to that database, where a router does not "
            "allow the outbox.",
            hint=f"{hint} Or send the signal with using='default'.",
            id="publisher.W010",
        )
        for alias, name in doubtful_aliases().items()
        if not router.allow_migrate_model(alias, OutboxEvent)
    ]
    return [*refused, *doubtful]


def check_outbox_migrated(
    app_configs: object, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that the outbox is migrated on these aliases, as given in `manage.py check --database ALIAS`."""
    if not databases or is_told_to_migrate():
        return []  # no alias is checked, or the outbox is about to be migrated
    missing = [
        Error(
            f"Events are written to {alias!r}, where the outbox is not migrated.",
            hint=f"Run: {how_to_migrate(OutboxEvent, alias)}",
            id="publisher.E014",
        )
        for alias in written_aliases()
        if alias in databases and not has_outbox(alias)
    ]
    doubtful = [
        Warning(
            f"Events of {name} with an instance from {alias!r} are written to that database, where the outbox is not "
            "migrated.",
            hint=f"Run: {how_to_migrate(OutboxEvent, alias)}. Or send the signal with using='default'.",
            id="publisher.W011",
        )
        for alias, name in doubtful_aliases().items()
        if alias in databases and not has_outbox(alias)
    ]
    return [*missing, *doubtful]


def check_sqlite(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Check, with `--deploy`, that writers of an SQLite file wait for each other: the relay is another writer of it."""
    return [
        Warning(
            f"Events are written to {alias!r}, an SQLite file whose OPTIONS do not make writers wait for each other.",
            hint='Add "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20} to this database, else a transaction '
            'that reads before it writes may end with "database is locked".',
            id="publisher.W013",
        )
        for alias in written_aliases()
        if connections[alias].vendor == "sqlite" and not waits_for_writers(connections[alias].settings_dict["OPTIONS"])
    ]


def waits_for_writers(options: Mapping[str, Any]) -> bool:
    """Whether a transaction takes the lock for writing when it begins. https://docs.djangoproject.com/en/5.2/ref/databases/"""
    return str(options.get("transaction_mode")).upper() in ("IMMEDIATE", "EXCLUSIVE")


def has_outbox(alias: str) -> bool:
    return all(is_up_to_date(model, alias) for model in OUTBOX)


def written_aliases() -> Iterable[str]:
    """The databases that events are written to: those of the models that send them, as the routers say."""
    senders = dict.fromkeys((*forwarded_senders(), *offloaded_senders()))
    # Without a model, `forwarding.alias_of` ends with the default database.
    return dict.fromkeys(DEFAULT_DB_ALIAS if sender is None else router.db_for_write(sender) for sender in senders)


def doubtful_aliases() -> dict[str, str]:
    """Further databases that events of custom signals may be written to: alias to the name of one such signal.

    An event is written to the database of the `instance` that its signal is sent with. That may be of any model, but
    only models that the rule names as senders, or else those of the signal's app, are considered: otherwise, every
    project with two databases would be warned.
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
        # Last, since finding a signal's kwargs takes longest.
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
    """The models whose events go to the outbox; None for signals that no model sends."""
    rules = tuple(rule for rule in conf.rules() if rule.delivery == "outbox")
    for known, its_rules in rules_by_signal(rules):
        yield from senders_of(known, its_rules)


def offloaded_senders() -> Iterator[type[Model] | None]:
    """The models whose events go to offloaded receivers; None for signals that no model sends."""
    # Only with OFFLOAD, since going through all signals takes longer than all other checks.
    for known in catalogue() if conf.offload() else ():
        for entry in entries(known.signal):
            if stand_in_of(entry.held):
                yield from models_of(entry) if isinstance(known.signal, ModelSignal) else (None,)
