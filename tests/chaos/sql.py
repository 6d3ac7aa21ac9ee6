"""A database asked in plain SQL, whatever happens to it."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from threading import RLock
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql

CONNECT_SECONDS = 5
LOCKED_SECONDS = 20
# It went away, or it was away before anything was asked.
AWAY = (psycopg.OperationalError, pymysql.OperationalError, pymysql.InterfaceError, sqlite3.OperationalError)
# As the database writes down a moment.
NOW = {
    "postgres": "now()",
    "mysql": "utc_timestamp(6)",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now')",
}


class Sql:
    """Survives the restarts of the database: while it is away, the answers are None."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None
        # The board asks too, from its own thread.
        self._lock = RLock()

    @property
    def now(self) -> str:
        return NOW[urlsplit(self._url).scheme]

    def value(self, query: str, *values: object) -> Any:
        rows = self.rows(query, *values)
        return rows[0][0] if rows else None

    def rows(self, query: str, *values: object) -> list[Any] | None:
        # The second time over a new connection: the old one may be of before a restart.
        with self._lock:
            for _ in range(2):
                with suppress(*AWAY):
                    return self._ask(query, values)
                self.close()
            return None

    def _ask(self, query: str, values: tuple[object, ...]) -> list[Any] | None:
        if self._connection is None:
            self._connection = CONNECTS[urlsplit(self._url).scheme](self._url)
        if isinstance(self._connection, sqlite3.Connection):
            query = query.replace("%s", "?")
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall()) if cursor.description else None

    def close(self) -> None:
        if self._connection is not None:
            with suppress(*AWAY, pymysql.Error):
                self._connection.close()
            self._connection = None


def read(json_value: Any) -> Any:
    """What a JSON column holds: PostgreSQL's driver has read it, the others give its text."""
    return json.loads(json_value) if isinstance(json_value, str) else json_value


def _to_postgres(url: str) -> Any:
    return psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS)


def _to_mysql(url: str) -> Any:
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname, port=parts.port or 0, user=parts.username, password=parts.password or "",
        database=parts.path.removeprefix("/"), autocommit=True, connect_timeout=CONNECT_SECONDS,
    )  # fmt: skip


def _to_sqlite(url: str) -> Any:
    path = urlsplit(url).path.removeprefix("/")
    return sqlite3.connect(path, timeout=LOCKED_SECONDS, isolation_level=None, check_same_thread=False)


CONNECTS: Mapping[str, Callable[[str], Any]] = {"postgres": _to_postgres, "mysql": _to_mysql, "sqlite": _to_sqlite}
