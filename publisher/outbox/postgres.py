"""What psycopg offers beyond Django's cursors. It is an optional dependency: the connection at hand brings it."""

import sys
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


def speaks_psycopg(connection: BaseDatabaseWrapper) -> bool:
    """Whether this is an open connection of psycopg 3."""
    connection.ensure_connection()
    return hasattr(connection.connection, "pgconn")


def binary_rows(connection: BaseDatabaseWrapper, statement: str) -> list[Any]:
    """The rows of a statement without parameters, in the binary format: bytea comes as it is, not as hexadecimal."""
    psycopg = sys.modules["psycopg"]
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, binary=True)
        return cursor.fetchall()  # type: ignore[no-any-return]
