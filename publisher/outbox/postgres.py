"""What psycopg 3 offers beyond Django's cursors. It is optional, so it is not imported here."""

import sys
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


def speaks_psycopg(connection: BaseDatabaseWrapper) -> bool:
    """Whether this is an open connection of psycopg 3."""
    connection.ensure_connection()
    return hasattr(connection.connection, "pgconn")


def read_committed(connection: BaseDatabaseWrapper) -> None:
    """Set this isolation level on a PostgreSQL connection, whatever DATABASES or the server say.

    A serializable transaction may be aborted at any statement, and the relay's reads may abort those of writers.
    https://www.postgresql.org/docs/current/transaction-iso.html#XACT-SERIALIZABLE
    """
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        return
    connection.ensure_connection()
    # Otherwise, the driver would send the level from OPTIONS with each BEGIN. It raises an error of its own here if it
    # has noticed that the connection is lost.
    with connection.wrap_database_errors:
        connection.connection.isolation_level = None
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED")


def binary_rows(connection: BaseDatabaseWrapper, statement: str) -> list[Any]:
    """The rows of a statement without parameters, in the binary format, in which bytea needs no decoding."""
    psycopg = sys.modules["psycopg"]
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, binary=True)
        return cursor.fetchall()  # type: ignore[no-any-return]
