"""What psycopg offers beyond Django's cursors. It is an optional dependency: the connection at hand brings it."""

import sys
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


def speaks_psycopg(connection: BaseDatabaseWrapper) -> bool:
    """Whether this is an open connection of psycopg 3."""
    connection.ensure_connection()
    return hasattr(connection.connection, "pgconn")


def read_committed(connection: BaseDatabaseWrapper) -> None:
    """In a process of the bridge's own, also where DATABASES or the server say otherwise.

    What is serializable may be aborted at any statement; for what the relay reads, so may those who write events.
    https://www.postgresql.org/docs/current/transaction-iso.html#XACT-SERIALIZABLE
    """
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        return
    connection.ensure_connection()
    # What OPTIONS say, the driver says at each BEGIN.
    connection.connection.isolation_level = None
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED")


def binary_rows(connection: BaseDatabaseWrapper, statement: str) -> list[Any]:
    """The rows of a statement without parameters, in the binary format: bytea comes as it is, not as hexadecimal."""
    psycopg = sys.modules["psycopg"]
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, binary=True)
        return cursor.fetchall()  # type: ignore[no-any-return]
