"""Shortens the wait for a row that another transaction has locked."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connections

from publisher.error_codes import has_code

POSTGRES_MILLISECONDS = 500
# The least that MySQL allows.
MYSQL_SECONDS = 1
# PostgreSQL's lock_not_available and query_canceled (`statement_timeout` includes the wait); MySQL's lock wait timeout.
CODES = frozenset(("55P03", "57014", 1205))


@contextmanager
def brief_lock_waits(using: str) -> Iterator[None]:
    """Make statements in this block give up on a locked row soon. Needs an open transaction; does nothing on SQLite."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # LOCAL holds until the transaction ends, so there is nothing to restore.
            cursor.execute(f"SET LOCAL lock_timeout = {POSTGRES_MILLISECONDS}")
            yield
        elif connection.vendor == "mysql":
            cursor.execute("SELECT @@SESSION.innodb_lock_wait_timeout")
            (before,) = cursor.fetchone()
            cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {MYSQL_SECONDS}")
            try:
                yield
            finally:
                cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {int(before)}")
        else:
            yield


def is_lock_timeout(exc: OperationalError) -> bool:
    """Whether the error is that the wait for a lock took too long."""
    return has_code(exc, CODES)
