"""The INSERT into the outbox: in the driver's own words, unless somebody looks on."""

import pytest
from django.conf import settings
from django.db import connection
from django.db.backends.sqlite3.base import SQLiteCursorWrapper

from publisher.events.rows import Row
from publisher.models import OutboxEvent
from publisher.outbox.statement import CHUNK_ROWS, execute

SAVE_AND_TELL = """
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from tests.foo.models import Tag
from publisher.outbox import statement
said, make = [], statement._statement
def note(vendor, mark, rows):
    said.append(make(vendor, mark, rows))
    return said[-1]
def format(run, sql, parameters, *args):
    if parameters:
        sql % tuple(parameters)
    return run(sql, parameters, *args)
statement._statement = note
def save():
    with transaction.atomic():
        for name in ("a%s", "b'?$1", "c%"):
            Tag.objects.create(name=name)
    print(said[-1].partition("VALUES (")[2].partition(",")[0])
save()
with connection.execute_wrapper(format):
    save()
with CaptureQueriesContext(connection) as seen:
    save()
print("post_save.foo.tag" in next(query["sql"] for query in seen if "outboxevent" in query["sql"]))
"""


def rows(count):
    return [Row(f"id-{n}", "type", "key", "%s?$1", n, n % 2 == 0, b"\x00'%s") for n in range(count)]


@pytest.mark.parametrize(("engine", "mark"), [("sqlite", "?"), ("postgres", "$1"), ("mariadb", "%s")])
def test_driver_is_spoken_to_in_its_own_words_unless_somebody_looks_on(stage, mark):
    assert stage.python(SAVE_AND_TELL).split() == [mark, "%s", "%s", "True"]
    names = [body.count(b'"name":"') for (body,) in stage.database.rows("SELECT body FROM publisher_outboxevent")]
    assert names == [1] * 9


@pytest.mark.django_db
@pytest.mark.parametrize("count", [0, 1, 7, CHUNK_ROWS, 2 * CHUNK_ROWS + 1])
def test_rows_are_all_there_as_they_were_given(count):
    execute(connection, rows(count))
    fields = [name for name in Row._fields if name != "body"]
    found = [Row(*(getattr(each, name) for name in fields), bytes(each.body)) for each in OutboxEvent.objects.all()]
    assert found == rows(count)


@pytest.mark.django_db
def test_cursor_is_left_alone_when_it_is_not_djangos(monkeypatch):
    class Counting(SQLiteCursorWrapper):
        executed = 0

        def execute(self, query, params=None):
            Counting.executed += 1
            return super().execute(query, params)

    assert settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
    monkeypatch.setattr(connection, "create_cursor", lambda name=None: connection.connection.cursor(factory=Counting))
    execute(connection, rows(1))
    assert Counting.executed == 1
    monkeypatch.undo()
    assert OutboxEvent.objects.count() == 1
