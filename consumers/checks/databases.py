"""System check of the database: the tables of the inbox have to be migrated."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.db import router

from consumers.discovery import discover
from consumers.exceptions import HandlersNotImportable
from consumers.models import Attempt, InboxEvent
from publisher.tables import how_to_migrate, is_told_to_migrate, is_up_to_date


def check_inbox_migrated(
    app_configs: object, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Checks only what `manage.py check --database ALIAS` names, and only if the inbox belongs on that database."""
    alias = router.db_for_write(InboxEvent)
    # Not within `manage.py migrate`, which is about to make the tables.
    is_due = alias in (databases or ()) and not is_told_to_migrate()
    if not is_due or all(is_up_to_date(model, alias) for model in (InboxEvent, Attempt)) or not is_needed():
        return []
    hint = f"Run: {how_to_migrate(InboxEvent, alias)}"
    return [Error(f"The inbox is not migrated on {alias!r}.", hint=hint, id="consumers.E005")]


def is_needed() -> bool:
    """Whether a handler uses the tables. One with `inbox=False` does as well: its attempts at redelivered events are
    counted.
    """
    try:
        return any(not handler.ask for handler in discover())
    except HandlersNotImportable:
        return False  # reported by check_handlers
