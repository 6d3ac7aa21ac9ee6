"""The INSERT that writes events to the outbox, with as many rows as the database takes.

It uses the driver's own placeholders where it can. Django would replace each `%s` first, and psycopg parses a statement
with more than 50 parameters anew each time, which takes as long as executing it.
"""

from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from itertools import chain, count
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from publisher.events.rows import COLUMNS, Row
from publisher.models import OutboxEvent

CHANNEL = "signal_bridge"
CHUNK_ROWS = 500
CHUNK_BYTES = 4_000_000


def execute(connection: BaseDatabaseWrapper, rows: Iterable[Row]) -> None:
    with connection.cursor() as cursor:
        mark = _take_drivers_own(cursor, connection)
        for chunk in _chunks(rows, connection):
            cursor.execute(_statement(connection.vendor, mark, len(chunk)), list(chain.from_iterable(chunk)))


def _take_drivers_own(cursor: CursorWrapper, connection: BaseDatabaseWrapper) -> str:
    """Put a cursor of the driver inside Django's, and return its placeholder; `%s` if Django's is left as it is.

    It is left where other code looks at statements and expects Django's form: debug cursors, `execute_wrapper`, and
    cursor classes that count or trace statements.
    """
    if type(cursor) is not CursorWrapper or connection.execute_wrappers:
        return "%s"
    inner = type(cursor.cursor)
    name = f"{inner.__module__}.{inner.__qualname__}"
    if name == "django.db.backends.sqlite3.base.SQLiteCursorWrapper":
        cursor.cursor = connection.connection.cursor()
        return "?"
    if name == "django.db.backends.postgresql.base.Cursor" and (raw := _raw_cursor()) is not None:
        cursor.cursor = raw(connection.connection)
        return "$"
    return "%s"


@cache
def _raw_cursor() -> Any:
    """psycopg's RawCursor, which it has since 3.2. https://www.psycopg.org/psycopg3/docs/advanced/cursors.html#raw-query-cursors"""
    import psycopg

    return getattr(psycopg, "RawCursor", None)


@lru_cache(maxsize=CHUNK_ROWS)
def _statement(vendor: str, mark: str, rows: int) -> str:
    quote = "`" if vendor == "mysql" else '"'
    table = f"{quote}{OutboxEvent._meta.db_table}{quote}"
    columns = ", ".join(COLUMNS)
    numbers = count(1)
    row = [", ".join(f"${next(numbers)}" if mark == "$" else mark for _ in COLUMNS) for _ in range(rows)]
    values = ", ".join(f"({marks})" for marks in row)
    # PostgreSQL sends equal notifications of one transaction as one.
    notify = f" RETURNING pg_notify('{CHANNEL}', '')" if vendor == "postgresql" else ""
    return f"INSERT INTO {table} ({columns}) VALUES {values}{notify}"


def _chunks(rows: Iterable[Row], connection: BaseDatabaseWrapper) -> Iterator[list[Row]]:
    most: Any = connection.features.max_query_params
    most_rows = min(CHUNK_ROWS, most // len(COLUMNS)) if most else CHUNK_ROWS
    chunk: list[Row] = []
    size = 0
    for row in rows:
        if chunk and (len(chunk) == most_rows or size + len(row.body) > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += len(row.body)
    if chunk:
        yield chunk
