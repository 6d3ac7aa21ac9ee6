"""Migrations, over databases that are as an earlier version left them."""

import pytest

AS_BEFORE = """
from django.db import connection, models
from publisher.models import OutboxEvent, ParkedEvent

for model in (OutboxEvent, ParkedEvent):
    before = models.BooleanField()
    before.set_attributes_from_name("keep_unroutable")
    before.model = model
    with connection.schema_editor() as editor:
        editor.alter_field(model, model._meta.get_field("keep_unroutable"), before)
"""
SAVE = "from tests.foo.models import Article\nArticle.objects.create(title='a')"
CATCH = f"""
from publisher.outbox.writing import OutboxNotMigrated
try:
    {SAVE.splitlines()[0]}
    {SAVE.splitlines()[1]}
except OutboxNotMigrated as exc:
    print(exc)
"""


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])
def test_column_that_was_never_null_may_be_once_the_database_is_migrated(stage):
    stage.python(AS_BEFORE)
    stage.manage("migrate", "publisher", "0002")
    said = stage.python(CATCH)
    assert "the outbox is not migrated on this alias. (default: " in said
    assert said.endswith(") Run: manage.py migrate publisher --database default\n")
    stage.manage("migrate")
    stage.python(SAVE)
    assert stage.database.rows("SELECT keep_unroutable FROM publisher_outboxevent") == [(None,)]


def test_ids_that_parked_events_have_do_not_come_again_once_sqlite_has_made_the_outbox_anew(stage):
    stage.manage("migrate", "publisher", "0002")
    stage.python(SAVE)
    stage.database.rows("DELETE FROM publisher_outboxevent")
    stage.manage("migrate")
    stage.python(SAVE)
    assert stage.database.rows("SELECT id FROM publisher_outboxevent") == [(2,)]
