"""`keep_unroutable` may be null: then the relay decides.

0001 makes it so for new databases, where migrations of other apps write events between the two; this one for those that
have the column as it was. Their state is the same.
"""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def allow_null(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for name in ("OutboxEvent", "ParkedEvent"):
        model = apps.get_model("publisher", name)
        before = models.BooleanField()
        before.set_attributes_from_name("keep_unroutable")
        before.model = model
        schema_editor.alter_field(model, before, model._meta.get_field("keep_unroutable"))


class Migration(migrations.Migration):
    dependencies = [("publisher", "0002_parkedevent_digest")]

    # MySQL changes no schema within a transaction.
    operations = [migrations.RunPython(allow_null, migrations.RunPython.noop, atomic=False)]
