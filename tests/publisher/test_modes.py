"""An event is in the transaction of its write, in every way that Django has to write."""

import urllib.request
from contextlib import suppress

import pytest
from django.db import connection, transaction
from django.test import Client

from tests.foo.models import Article, Tag
from tests.publisher.test_transactions import keys, written
from tests.stage import eventually
from tools.ports import HOST, assign

SAVED = "db.post_save.foo.article"
in_a_database = pytest.mark.django_db(transaction=True)


@in_a_database
def test_helpers_that_get_or_make_a_row_forward_it_once():
    Article.objects.get_or_create(title="one")
    Article.objects.get_or_create(title="one")
    Article.objects.update_or_create(title="one", defaults={"title": "two"})
    Tag(name="x").save()
    assert keys() == [SAVED, SAVED, "db.post_save.foo.tag"]
    assert [event.kwargs["created"] for event in written()] == [True, False, True]


@in_a_database
def test_related_managers_forward_what_they_change():
    article = Article.objects.create(title="one")
    first, second = Tag.objects.create(name="a"), Tag.objects.create(name="b")
    article.tags.add(first)
    article.tags.set([second])
    article.tags.remove(second)
    first.article_set.add(article)
    article.tags.clear()
    actions = [event.kwargs["action"] for event in written() if event.routing_key == "db.m2m_changed.foo.article_tags"]
    changes = ["add", "remove", "add", "remove", "add", "clear"]
    assert actions == [f"{when}_{change}" for change in changes for when in ("pre", "post")]


@in_a_database
def test_nothing_is_written_when_a_related_manager_is_rolled_back():
    article, tag = Article.objects.create(title="one"), Tag.objects.create(name="a")
    with suppress(RuntimeError), transaction.atomic():
        article.tags.add(tag)
        raise RuntimeError
    assert "db.m2m_changed.foo.article_tags" not in keys()


@in_a_database
def test_durable_transaction_takes_its_events_with_it():
    with transaction.atomic(durable=True):
        Article.objects.create(title="one")
        assert keys() == []
    with suppress(RuntimeError), transaction.atomic(durable=True):
        Article.objects.create(title="two")
        raise RuntimeError
    assert keys() == [SAVED]


@in_a_database
def test_request_is_one_transaction_when_the_project_says_so(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    client = Client(raise_request_exception=False)
    assert client.post("/foo/articles/?fail=1").status_code == 500
    assert (Article.objects.count(), keys()) == (0, [])
    assert client.post("/foo/articles/").status_code == 200
    assert (Article.objects.count(), keys()) == (1, [SAVED])


@in_a_database
def test_event_stays_when_the_view_fails_after_its_own_commit():
    Client(raise_request_exception=False).post("/foo/articles/?fail=1")
    assert (Article.objects.count(), keys()) == (1, [SAVED])


@in_a_database
def test_event_is_there_when_the_hooks_of_the_commit_run():
    seen = []
    with transaction.atomic():
        transaction.on_commit(lambda: seen.append(keys()))
        Article.objects.create(title="one")
    assert seen == [[SAVED]]


def test_events_are_written_from_async_code(stage):
    """`asave` and `asend` run synchronous receivers in a thread, with that thread's connection."""
    stage.python("""
import asyncio
from django.db import transaction
from django.test import AsyncClient
from tests.foo.models import Article
from asgiref.sync import sync_to_async

async def main():
    await AsyncClient().get("/foo/articles/async/")
    await asyncio.gather(*(Article(title=str(n)).asave() for n in range(10)))
    await Article.objects.acreate(title="created")

@sync_to_async
def rolled_back():
    with transaction.atomic():
        Article.objects.create(title="lost")
        transaction.set_rollback(True)

asyncio.run(main())
asyncio.run(rolled_back())
""")
    rows = stage.database.rows("SELECT routing_key, count(*) FROM publisher_outboxevent GROUP BY 1 ORDER BY 1")
    assert rows == [(SAVED, 12), ("foo.article_flagged", 1)]


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])
def test_threads_write_the_events_of_their_own_transactions(stage):
    stage.python("""
from concurrent.futures import ThreadPoolExecutor
from django.db import transaction, connection
from tests.foo.models import Article

def work(n):
    with transaction.atomic():
        Article.objects.create(title=f"{n} a")
        with transaction.atomic():
            Article.objects.create(title=f"{n} b")
            transaction.set_rollback(n % 2 == 1)
    connection.close()

with ThreadPoolExecutor(4) as threads:
    list(threads.map(work, range(20)))
""")
    # Every other one rolls its savepoint back.
    assert stage.database.value("SELECT count(*) FROM foo_article") == 30
    assert stage.outbox() == 30


@pytest.mark.parametrize("engine", ["postgres"])
def test_events_of_a_savepoint_go_with_it_when_there_is_no_block(stage):
    # SQLite has savepoints in blocks alone.
    stage.python("""
from django.db import connection, transaction
from tests.foo.models import Article

transaction.set_autocommit(False)
Article.objects.create(title="kept")
sid = connection.savepoint()
Article.objects.create(title="dropped")
transaction.savepoint_rollback(sid)
transaction.commit()
""")
    assert stage.database.rows("SELECT title FROM foo_article") == [("kept",)]
    assert stage.outbox() == 1


def test_forked_workers_write_events_when_the_site_was_loaded_before(stage):
    """gunicorn --preload: models, rules and receivers are there before the workers are."""
    port = assign(["http"], fixed={}, last={})["http"]
    options = ("--preload", "--workers=2", f"--bind={HOST}:{port}", "--chdir=.", "--threads=2")
    stage.start("-m", "gunicorn", *options, "tests.foo.wsgi:application")
    url = f"http://{HOST}:{port}/foo/articles/"

    def create(number):
        with suppress(OSError), urllib.request.urlopen(url, data=f"title={number}".encode(), timeout=10) as answer:
            return answer.read().decode()

    workers = {eventually(lambda: create(0))}
    for number in range(1, 200):
        workers.add(create(number))
        if len(workers) == 2 and number > 20:
            break
    assert len(workers) == 2
    titles = stage.database.value("SELECT count(*) FROM foo_article")
    ids = stage.database.rows("SELECT DISTINCT message_id FROM publisher_outboxevent")
    assert stage.outbox() == titles == len(ids) == number + 1


@pytest.mark.parametrize("engine", ["sqlite", "mariadb"])
def test_event_is_written_when_a_transaction_by_hand_ends_with_autocommit(stage):
    stage.python(
        "from django.db import transaction\n"
        "from tests.foo.models import Article\n"
        "transaction.set_autocommit(False)\n"
        "Article.objects.create(title='x')\n"
        "transaction.set_autocommit(True)"
    )
    assert (stage.database.value("SELECT COUNT(*) FROM foo_article"), stage.outbox()) == (1, 1)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_save_and_event_are_of_the_transaction_that_a_statement_began(stage):
    # Django knows nothing of it, and would begin another one within.
    stage.python("""
from django.db import connection
from tests.foo.models import Article

with connection.cursor() as cursor:
    for end in ("ROLLBACK", "COMMIT"):
        cursor.execute("BEGIN")
        Article.objects.create(title=end)
        cursor.execute(end)
""")
    assert stage.database.rows("SELECT title FROM foo_article") == [("COMMIT",)]
    assert stage.outbox() == 1


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])
def test_nothing_leaves_of_a_block_whose_connection_was_closed_within(stage):
    # The next connection is set to autocommit before Django forgets the hooks of the last one.
    stage.python("""
from django.db import connection, transaction
from tests.foo.models import Article
from tests.foo.signals import user_login

with transaction.atomic():
    Article.objects.create(title="lost")
    connection.close()
    user_login.send(sender=None, name="lost")
Article.objects.create(title="kept")
""")
    assert stage.database.rows("SELECT title FROM foo_article") == [("kept",)]
    assert stage.database.rows("SELECT routing_key FROM publisher_outboxevent") == [(SAVED,)]


@pytest.mark.parametrize("engine", ["postgres"])
def test_event_stays_with_its_transaction_when_the_database_refuses_to_end_it(stage):
    printed = stage.python(
        "from django.db import transaction, DatabaseError\n"
        "from tests.foo.models import Article\n"
        "transaction.set_autocommit(False)\n"
        "for end in (transaction.rollback, transaction.commit):\n"
        "    Article.objects.create(title='x')\n"
        "    try:\n"
        "        transaction.set_autocommit(True)\n"
        "    except DatabaseError:\n"
        "        print('refused')\n"
        "    end()\n"
    )
    assert printed.split() == ["refused", "refused"]
    assert (stage.database.value("SELECT COUNT(*) FROM foo_article"), stage.outbox()) == (1, 1)


@pytest.mark.parametrize("engine", ["postgres"])
def test_direct_event_does_not_leave_when_the_database_turns_the_commit_into_a_rollback(stage):
    printed = stage.python("""
from django.db import DatabaseError, connection, transaction
from publisher.outbox.writing import after_commit

def leave(*, fails):
    with transaction.atomic():
        after_commit(lambda: print("left", fails), "default")
        try:
            connection.cursor().execute(f"SELECT 1 / {int(not fails)}")
        except DatabaseError:
            pass

leave(fails=True)
leave(fails=False)
""")
    assert printed.strip() == "left False"


@pytest.mark.parametrize("engine", ["mariadb"])
def test_event_does_not_leave_when_a_deadlock_that_was_caught_has_undone_its_write(stage):
    stage.python("""
from threading import Event, Thread
from django.db import OperationalError, connection, transaction
from tests.foo.models import Article, Draft, Tag

one, two = Tag.objects.create(name="one"), Tag.objects.create(name="two")
has_two = Event()

def lock(tag):
    return list(Tag.objects.select_for_update().filter(pk=tag.pk))

def other():
    with transaction.atomic():
        Draft.objects.bulk_create(Draft(text="more to undo") for _ in range(50))
        lock(two)
        has_two.set()
        lock(one)
        transaction.set_rollback(True)
    connection.close()

thread = Thread(target=other)
with transaction.atomic():
    Article.objects.create(title="undone")
    lock(one)
    thread.start()
    has_two.wait()
    try:
        lock(two)
    except OperationalError:
        Article.objects.create(title="kept")
thread.join()
""")
    assert stage.database.rows("SELECT title FROM foo_article") == [("kept",)]
    keys = [key for (key,) in stage.database.rows("SELECT routing_key FROM publisher_outboxevent")]
    assert keys.count("db.post_save.foo.article") == 1
