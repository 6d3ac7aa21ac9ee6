"""Whether the outbox exists while migrations run: signals may be sent before its own migration."""

import logging

from django.db.backends.base.base import BaseDatabaseWrapper

from publisher import counters
from publisher.models import OutboxEvent
from publisher.tables import has_table, is_migrating

logger = logging.getLogger(__name__)

_there: set[tuple[str, object]] = set()


def is_to_come(connection: BaseDatabaseWrapper) -> bool:
    """Whether a migration is running and the outbox does not exist yet. Queries the database only in migrations."""
    if _database(connection) in _there or not is_migrating():
        return False
    return not has_table(OutboxEvent, connection.alias)


def is_there(connection: BaseDatabaseWrapper) -> None:
    """Remember that the outbox exists, since it was written to."""
    _there.add(_database(connection))


def left_out(count: int) -> None:
    """Count and log events that were not written because the outbox does not exist yet."""
    counters.count(counters.NOT_WRITTEN, "migrations", count)
    logger.debug("not forwarded events=%d: the outbox is not migrated yet", count)


def _database(connection: BaseDatabaseWrapper) -> tuple[str, object]:
    # With the database's name, since a test's database has the same alias as the real one.
    return connection.alias, connection.settings_dict["NAME"]
