"""Whether there is an outbox to write to: migrations run before it is made, and after."""

import logging
import sys

from django.db.backends.base.base import BaseDatabaseWrapper

from publisher import counters
from publisher.models import OutboxEvent
from publisher.tables import has_table

logger = logging.getLogger(__name__)

# While these run, the outbox may be yet to come.
MIGRATING = frozenset(("django.db.migrations.executor", "django.core.management.sql"))

_there: set[tuple[str, object]] = set()


def is_to_come(connection: BaseDatabaseWrapper) -> bool:
    """Whether a migration is running, and the outbox is not there yet. A query only while one is."""
    if _database(connection) in _there or not _is_migrating():
        return False
    return not has_table(OutboxEvent, connection.alias)


def is_there(connection: BaseDatabaseWrapper) -> None:
    """Remember that the outbox was written to."""
    _there.add(_database(connection))


def left_out(count: int) -> None:
    counters.count(counters.NOT_WRITTEN, "migrations")
    logger.debug("not forwarded events=%d: the outbox is not migrated yet", count)


def _database(connection: BaseDatabaseWrapper) -> tuple[str, object]:
    # A test's database has the alias of the real one.
    return connection.alias, connection.settings_dict["NAME"]


def _is_migrating() -> bool:
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") in MIGRATING:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
