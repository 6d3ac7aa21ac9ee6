"""Databases for tests that run processes: a fresh, migrated one each time, on any of the three engines."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dj_database_url
from django.db import connections
from django.db.utils import ConnectionHandler

from tests import services
from tests.stage import Database, environment, manage

# What `migrate` fills.
KEPT = frozenset(("django_migrations", "django_content_type", "auth_permission"))


class Databases:
    """The migrated templates of this session, made when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._urls: dict[str, str] = {}

    @contextmanager
    def fresh(self, engine: str) -> Iterator[Database]:
        with getattr(self, f"_{engine}")() as url:
            database = Database(url)
            try:
                yield database
            finally:
                database.close()

    @contextmanager
    def _sqlite(self) -> Iterator[str]:
        template = self._template("sqlite", f"sqlite:///{self.folder}/template.sqlite3")
        path = self.folder / f"{uuid.uuid4().hex}.sqlite3"
        shutil.copy(template.removeprefix("sqlite:///"), path)
        yield f"sqlite:///{path}"

    @contextmanager
    def _postgres(self) -> Iterator[str]:
        with services.postgres() as service:
            name = f"test_{uuid.uuid4().hex[:12]}"
            template = f"template_{self.folder.name}_{uuid.uuid4().hex[:8]}".replace("-", "_")
            if "postgres" not in self._urls:
                execute(service.settings, f"CREATE DATABASE {template}")
                self._template("postgres", named(service.url, template))
            execute(service.settings, f"CREATE DATABASE {name} TEMPLATE {self._urls['postgres'].rpartition('/')[2]}")
            try:
                yield named(service.url, name)
            finally:
                execute(service.settings, f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def _mariadb(self) -> Iterator[str]:
        with services.mariadb() as service:
            if "mariadb" not in self._urls:
                # Another one for each process that runs tests at the same time.
                name = f"stage_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
                execute(service.settings, f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4")
                self._template("mariadb", named(service.url, name))
            url = self._urls["mariadb"]
            empty(dj_database_url.parse(url))
            yield url

    def _template(self, engine: str, url: str) -> str:
        if engine not in self._urls:
            manage("migrate", "-v0", env=environment(url))
            self._urls[engine] = url
        return self._urls[engine]

    def close(self) -> None:
        if "postgres" in self._urls:
            with services.postgres() as service:
                execute(service.settings, f"DROP DATABASE {self._urls['postgres'].rpartition('/')[2]} WITH (FORCE)")


@contextmanager
def without_table(model: Any, using: str = "default") -> Iterator[None]:
    """As if it was not migrated on this process's own database."""
    table = model._meta.db_table
    with connections[using].schema_editor() as editor:
        editor.alter_db_table(model, table, "away")
    try:
        yield
    finally:
        with connections[using].schema_editor() as editor:
            editor.alter_db_table(model, "away", table)


def named(url: str, name: str) -> str:
    """The same server, another database."""
    return f"{url.rpartition('/')[0]}/{name}"


def empty(settings: dict[str, Any]) -> None:
    """Delete all rows of MariaDB's tables: to make the tables anew takes seconds."""
    tables = execute(settings, "SHOW TABLES")
    deletions = [f"DELETE FROM {table}" for (table,) in tables if table not in KEPT]
    execute(settings, "SET foreign_key_checks = 0", *deletions)


def execute(settings: dict[str, Any], *statements: str) -> list[tuple]:
    """What the last one answers."""
    connection = ConnectionHandler({"default": dict(settings)})["default"]
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()
