"""System checks of the databases: the outbox must be where the writes are, or nothing can be kept."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.db import connections, router

from publisher import conf
from publisher.models import OutboxEvent
from publisher.receivers import rules_by_signal, senders_of


def check_routers(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Every alias that forwarded models are written to may have an outbox."""
    hint = "Let your router's allow_migrate answer True (or None) for the app 'publisher' on this alias."
    return [
        Error(
            f"Forwarded models are written to {alias!r}, where a router does not allow the outbox.",
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
    table = OutboxEvent._meta.db_table
    return [
        Error(
            f"Forwarded models are written to {alias!r}, where the outbox is not migrated.",
            hint=f"Run: manage.py migrate publisher --database {alias}",
            id="publisher.E014",
        )
        for alias in written_aliases()
        if alias in (databases or ()) and table not in connections[alias].introspection.table_names()
    ]


def written_aliases() -> Iterable[str]:
    """Where the models that a rule forwards are written, as the routers say it without an instance."""
    aliases = dict.fromkeys(
        router.db_for_write(sender)
        for known, rules in rules_by_signal(conf.rules())
        for sender in senders_of(known, rules)
        if sender is not None
    )
    return aliases
