"""How long a row that another transaction has is waited for."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connections

from publisher.error_codes import has_code

POSTGRES_MILLISECONDS = 500
# There is no less.
MYSQL_SECONDS = 1
# PostgreSQL's lock_not_available, and query_canceled: a `statement_timeout` counts the wait for a lock, too. MySQL's.
CODES = frozenset(("55P03", "57014", 1205))


@contextmanager
def brief_lock_waits(using: str) -> Iterator[None]:
    """Within a transaction. On SQLite a lock is never one row's."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Until the transaction ends.
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
    """Whether it was waited for as long as may be, rather than anything else that went wrong."""
    return has_code(exc, CODES)
