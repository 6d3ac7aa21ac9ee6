"""System checks of the databases: the outbox must be where the writes are, or nothing can be kept."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.db import DEFAULT_DB_ALIAS, router
from django.db.models import Model
from django.db.models.signals import ModelSignal

from publisher import conf
from publisher.catalogue.entries import entries
from publisher.catalogue.signals import catalogue
from publisher.models import OutboxEvent, ParkedEvent, RelayLease, UnroutableKey
from publisher.offload.offload import models_of
from publisher.offload.stand_in import StandIn
from publisher.receivers import rules_by_signal, senders_of
from publisher.tables import how_to_migrate, is_up_to_date

OUTBOX = (OutboxEvent, ParkedEvent, UnroutableKey, RelayLease)


def check_routers(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Every alias that events are written to may have an outbox."""
    hint = "Let your router's allow_migrate answer True (or None) for the app 'publisher' on this alias."
    return [
        Error(
            f"Events are written to {alias!r}, where a router does not allow the outbox.",
            hint=hint,
            id="publisher.E013",
        )
        for alias in written_aliases()
        if not router.allow_migrate_model(alias, OutboxEvent)
    ]


def check_outbox_migrated(
    app_configs: object, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """The outbox is there on the aliases that are checked: `manage.py check --database ALIAS`."""
    if "migrate" in sys.argv[1:2]:
        return []  # which is about to make it
    return [
        Error(
            f"Events are written to {alias!r}, where the outbox is not migrated.",
            hint=f"Run: {how_to_migrate(OutboxEvent, alias)}",
            id="publisher.E014",
        )
        for alias in written_aliases()
        if alias in (databases or ()) and not all(is_up_to_date(model, alias) for model in OUTBOX)
    ]


def written_aliases() -> Iterable[str]:
    """Where events are written: with the model that sends them, as the routers say it without an instance."""
    senders = dict.fromkeys((*forwarded_senders(), *offloaded_senders()))
    # Of no model, it is the database that `alias_of` ends with.
    return dict.fromkeys(DEFAULT_DB_ALIAS if sender is None else router.db_for_write(sender) for sender in senders)


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
            if isinstance(entry.held, StandIn):
                yield from models_of(entry) if isinstance(known.signal, ModelSignal) else (None,)
