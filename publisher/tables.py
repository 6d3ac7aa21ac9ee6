"""Whether a table of the bridge is there, and how it comes to be."""

from django.db import Error, connections
from django.db.models import Model


def has_table(model: type[Model], using: str) -> bool:
    return model._meta.db_table in connections[using].introspection.table_names()


def how_to_migrate(model: type[Model], using: str) -> str:
    return f"manage.py migrate {model._meta.app_label} --database {using}"


def trouble_with(model: type[Model] | None, using: str) -> str | None:
    """Why the database, and this table in it, cannot be worked on, and what to do; None when they can."""
    try:
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT 1")
        if model is None or has_table(model, using):
            return None
    except Error as exc:
        return " ".join(str(exc).split())
    return f"there is no table {model._meta.db_table}; run: {how_to_migrate(model, using)}"


def migration_hint(model: type[Model], using: str) -> str:
    """The end of a log line, where it is the table that is missing; empty otherwise."""
    try:
        return "" if has_table(model, using) else f"; run: {how_to_migrate(model, using)}"
    except Error:
        return ""
