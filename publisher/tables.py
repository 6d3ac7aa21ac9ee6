"""Whether the tables of the bridge exist, and how to make them."""

import sys
from collections.abc import Iterable

from django.db import Error, connections
from django.db.models import Model

# While a function of these modules runs, tables may not exist yet.
MIGRATING = frozenset(
    ("django.db.migrations.executor", "django.core.management.sql", "django_tenants.migration_executors.base")
)


def is_migrating() -> bool:
    """Whether this is called, directly or not, by migrations."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") in MIGRATING:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def is_told_to_migrate() -> bool:
    """Whether this process runs `migrate`, `migrate_schemas` or migrations."""
    return any(argument.startswith("migrate") for argument in sys.argv[1:2]) or is_migrating()


def has_table(model: type[Model], using: str) -> bool:
    return model._meta.db_table in connections[using].introspection.table_names()


def is_up_to_date(model: type[Model], using: str) -> bool:
    """Whether the table exists, with all columns."""
    if not has_table(model, using):
        return False
    connection = connections[using]
    with connection.cursor() as cursor:
        found = {row.name for row in connection.introspection.get_table_description(cursor, model._meta.db_table)}
    return {field.column for field in model._meta.concrete_fields} <= found


def how_to_migrate(model: type[Model], using: str) -> str:
    return f"manage.py migrate {model._meta.app_label} --database {using}"


def trouble_with(models: Iterable[type[Model]], using: str) -> str | None:
    """Why the database or these tables cannot be used, and what to do; None if they can."""
    try:
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT 1")
        return not_migrated(models, using)
    except Error as exc:
        return " ".join(str(exc).split())


def not_migrated(models: Iterable[type[Model]], using: str) -> str | None:
    """The first of these tables that is missing or lacks a column, and what to do; None if all are complete."""
    behind = _behind(models, using)
    if behind is None:
        return None
    return f"the table {behind._meta.db_table} is not migrated; run: {how_to_migrate(behind, using)}"


def migration_hint(models: Iterable[type[Model]], using: str) -> str:
    """`; run: manage.py migrate ...` for the end of a log line, if one of the tables is not complete; else empty."""
    try:
        behind = _behind(models, using)
    except Error:
        return ""
    return "" if behind is None else f"; run: {how_to_migrate(behind, using)}"


def _behind(models: Iterable[type[Model]], using: str) -> type[Model] | None:
    return next((model for model in models if not is_up_to_date(model, using)), None)
