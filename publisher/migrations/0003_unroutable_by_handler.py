"""`keep_unroutable` may be null: then the relay decides.

0001 makes it so for new databases, where migrations of other apps write events between the two; this one for those that
have the column as it was. Their state is the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def allow_null(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for name in ("OutboxEvent", "ParkedEvent"):
        model = apps.get_model("publisher", name)
        before = models.BooleanField()
        before.set_attributes_from_name("keep_unroutable")
        before.model = model
        with counting_on(model._meta.db_table, schema_editor):
            schema_editor.alter_field(model, before, model._meta.get_field("keep_unroutable"))


@contextmanager
def counting_on(table: str, schema_editor: BaseDatabaseSchemaEditor) -> Iterator[None]:
    """SQLite gets the table made anew, which would give ids again that parked events have, where no row is in it."""
    if schema_editor.connection.vendor != "sqlite":
        yield
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT name, seq FROM sqlite_sequence WHERE name = %s", [table])
        before = cursor.fetchall()
        yield
        cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
        cursor.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", before)


class Migration(migrations.Migration):
    dependencies = [("publisher", "0002_parkedevent_digest")]

    # MySQL changes no schema within a transaction.
    operations = [migrations.RunPython(allow_null, migrations.RunPython.noop, atomic=False)]
