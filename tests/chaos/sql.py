"""A database asked in plain SQL, whatever happens to it."""

from contextlib import suppress
from threading import RLock
from typing import Any

import psycopg

CONNECT_SECONDS = 5


class Sql:
    """Survives the restarts of the database: while it is away, the answers are None."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None
        # The board asks too, from its own thread.
        self._lock = RLock()

    def value(self, query: str, *values: object) -> Any:
        rows = self.rows(query, *values)
        return rows[0][0] if rows else None

    def rows(self, query: str, *values: object) -> list[Any] | None:
        # The second time over a new connection: the old one may be of before a restart.
        with self._lock:
            for _ in range(2):
                with suppress(psycopg.OperationalError):
                    return self._ask(query, values)
                self.close()
            return None

    def _ask(self, query: str, values: tuple[object, ...]) -> list[Any] | None:
        if self._connection is None:
            self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_SECONDS)
        cursor = self._connection.execute(query, values)
        return cursor.fetchall() if cursor.description else None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
