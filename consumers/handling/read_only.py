"""Recognises a database that is read-only for now, such as a replica that is about to become the primary."""

from django.db import Error, connections

from publisher.error_codes import has_code

# PostgreSQL's read_only_sql_transaction; MySQL's errors for a read-only server, and a read-only transaction.
CODES = frozenset(("25006", 1290, 1792, 1836))
ASKED = {"postgresql": "SHOW transaction_read_only", "mysql": "SELECT @@GLOBAL.read_only"}


def says_read_only(exc: Error) -> bool:
    return has_code(exc, CODES)


def is_read_only(using: str) -> bool:
    connection = connections[using]
    asked = ASKED.get(connection.vendor)
    if asked is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(asked)
        # Since MariaDB 12, `read_only` has several values that mean it.
        return str(cursor.fetchone()[0]).lower() not in ("off", "0")
