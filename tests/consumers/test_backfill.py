"""Rows that are there already, brought to one handler that came later."""

import json
import sqlite3
from contextlib import closing, suppress
from threading import Event as Flag
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, connections, models
from django.test.utils import isolate_apps

from consumers import backfill as backfilling
from consumers.arguments import key_from, key_text
from consumers.backfill import Backfill
from consumers.backfill_report import Impatience
from consumers.dead_letters.owners import Owner
from consumers.discovery import chosen, discover
from publisher.models import OutboxEvent
from publisher.wire.errors import BrokerUnavailable
from publisher.wire.routing import OneQueue
from tests.databases import without_table
from tests.foo.models import Article, Tag
from tests.stage import eventually, tell_twice

MADE = (
    "from tests.foo.models import Article\nArticle.objects.bulk_create(Article(title=str(n)) for n in range({count}))"
)


def title_in(body):
    return json.loads(bytes(body))["data"]["kwargs"]["instance"]["fields"]["title"]


def test_rows_come_to_the_handler_and_to_no_other(stage):
    stage.python(MADE.format(count=3))
    relay, consumer = stage.start("relay"), stage.start("consume")
    eventually(lambda: "connected" in relay.log.read_text() and "consuming" in consumer.log.read_text())
    assert stage.manage("backfill", "foo.Article", "--to", "index").stdout == "3 events for index.\n"
    seen = eventually(lambda: len(stage.seen("index")) == 3 and stage.seen("index"))
    assert sorted(text.split()[2:] for _, text, _ in seen) == [[str(n), "False"] for n in range(3)]
    eventually(lambda: stage.outbox() == 0)
    assert stage.seen("log") == []


def test_event_has_the_key_that_a_save_has(stage):
    stage.manage("topology", "--declare")
    stage.python(MADE.format(count=1))
    stage.manage("backfill", "foo.Article", "--to", "log")
    stage.manage("relay", "--once")
    stage.manage("consume", "--until-empty")
    assert [text for _, text, _ in stage.seen()] == ["db.post_save.foo.article foo.article/1"]


@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_event_is_in_order_with_a_write_that_is_not_committed_yet(stage, tmp_path, queues):
    queues.bind("index", "none")
    queues.bind("index.dead", "none")
    stage.python(MADE.format(count=1))
    writer = stage.start("-c", f"""
import django; django.setup()
import time
from pathlib import Path
from django.db import transaction
from tests.foo.models import Article
with transaction.atomic():
    article = Article.objects.get()
    article.title = "newer"
    article.save()
    Path({str(tmp_path)!r}, "saved").touch()
    while not Path({str(tmp_path)!r}, "go").exists():
        time.sleep(0.01)
""")  # fmt: skip
    eventually((tmp_path / "saved").exists)
    backfill = stage.start("backfill", "foo.Article", "--to", "index")
    with pytest.raises(AssertionError):
        eventually(lambda: backfill.poll() is not None, seconds=3)
    (tmp_path / "go").touch()
    assert (writer.wait(10), backfill.wait(10)) == (0, 0)
    written = stage.database.rows("SELECT routing_key, body FROM publisher_outboxevent ORDER BY id")
    titles = [
        (key[:2], json.loads(bytes(body))["data"]["kwargs"]["instance"]["fields"]["title"]) for key, body in written
    ]
    assert titles == [("db", "newer"), ("@@", "newer")]


def test_it_waits_for_the_relay_ends_when_asked_to_and_goes_on_where_it_was(stage):
    stage.manage("topology", "--declare")
    stage.python(MADE.format(count=3000))
    backfill = stage.start("backfill", "foo.Article", "--to", "index")
    eventually(lambda: stage.outbox() >= backfilling.MOST_WAITING)
    tell_twice(backfill)
    assert backfill.wait(10) == 0
    said = backfill.log.read_text()
    waiting, last = stage.outbox(), said.rpartition(" ")[2].strip()
    assert said == f"{waiting:,} events for index. To go on: --after {last}\n"
    assert waiting < 3000
    relay = stage.start("relay")
    assert (
        f"{3000 - waiting:,} events" in stage.manage("backfill", "foo.Article", "--to", "index", "--after", last).stdout
    )
    eventually(lambda: stage.outbox() == 0)
    assert relay.poll() is None


def test_events_are_kept_when_the_queue_goes_away(stage, queues):
    stage.manage("topology", "--declare")
    stage.python(MADE.format(count=1))
    stage.manage("backfill", "foo.Article", "--to", "index")
    queues.delete("index")
    stage.manage("relay", "--once")
    kept = json.loads(stage.manage("outbox", "--format", "json").stdout)["unroutable"]
    key = f"@@{queues.service}.index db.post_save.foo.article"
    assert kept == [{"routing_key": key, "dropped": 0, "kept": 1}]


@pytest.fixture
def articles(transactional_db):
    return Article.objects.bulk_create(Article(title=title) for title in "abcde")


@pytest.fixture
def backfill(bridge, monkeypatch):
    """Events of articles for the handler `index`, two at a time."""
    monkeypatch.setattr(backfilling, "PAGE_ROWS", 2)
    (handler,) = chosen(discover(), ["index"])

    def make(rows=None, after=None, queue="blog.index", handler=handler, using="default"):
        owner = Owner(name="index", queue=queue, handler=handler)
        return Backfill(Article.objects.all() if rows is None else rows, owner, using, after)

    return make


def written():
    """What the outbox holds: for whom, under which key, and the title."""
    return [(*OneQueue.read(row.routing_key), title_in(row.body)) for row in OutboxEvent.objects.order_by("id")]


def test_rows_are_read_page_by_page(articles, backfill):
    pages = list(backfill().run(Flag()))
    assert [(page.pk, page.written, page.left_out) for page in pages] == [
        (articles[1].pk, 2, 0), (articles[3].pk, 4, 0), (articles[4].pk, 5, 0),
    ]  # fmt: skip
    assert written() == [("blog.index", "db.post_save.foo.article", title) for title in "abcde"]


def test_event_is_a_save_that_created_nothing(articles, backfill):
    next(backfill().run(Flag()))
    row = OutboxEvent.objects.first()
    event = json.loads(bytes(row.body))
    assert (event["type"], event["partitionkey"]) == (row.type, f"foo.article/{articles[0].pk}")
    kwargs = event["data"]["kwargs"]
    assert {name: kwargs[name] for name in kwargs if name != "instance"} == {
        "created": False, "update_fields": None, "raw": False, "using": "default",
    }  # fmt: skip
    assert row.keep_unroutable is True


def test_rows_behind_a_key_are_those_that_are_left(articles, backfill):
    run = backfill(Article.objects.exclude(title="d"), after=articles[1].pk)
    assert run.count() == 2
    assert [page.written for page in run.run(Flag())] == [2]
    assert [title for _, _, title in written()] == ["c", "e"]


def test_nothing_more_is_written_once_it_is_to_stop(articles, backfill):
    stop = Flag()
    for _ in backfill().run(stop):
        stop.set()
    assert len(written()) == 2


def test_it_waits_while_as_many_wait_as_may(articles, backfill, monkeypatch):
    monkeypatch.setattr(backfilling, "MOST_WAITING", 2)
    waits = []

    def relay(waiting):
        waits.append(waiting)
        OutboxEvent.objects.all().delete()

    assert [page.written for page in backfill().run(Flag(), relay)] == [2, 4, 5]
    assert waits == [2, 2]


def is_early(sender, instance, **kwargs):
    return instance.title < "c"


def test_rows_are_left_out_that_no_rule_lets_out(articles, backfill, settings):
    rule = {"signal": "django.db.models.signals.post_save", "when": "tests.consumers.test_backfill.is_early"}
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "FORWARD": [rule]}
    (*_, last) = backfill().run(Flag())
    assert (last.written, last.left_out) == (2, 3)


def test_rows_are_left_out_whose_key_the_handler_does_not_take(articles, backfill):
    (log,) = chosen(discover(), ["greet"])
    (*_, last) = backfill(handler=log).run(Flag())
    assert (last.written, last.left_out) == (0, 5)
    (*_, last) = backfill(handler=None).run(Flag())
    assert (last.written, last.left_out) == (5, 0)


def test_question_after_the_relay_is_asked_now_and_then(capsys, monkeypatch):
    asked, now = [], iter((100.0, 105.0, 111.0, 112.0, 200.0, 211.0))
    monkeypatch.setattr("consumers.backfill_report.time.monotonic", lambda: next(now))
    impatience = Impatience(type("Stderr", (), {"write": lambda self, text: asked.append(text)})())
    for _ in range(4):
        impatience.wait(2000)
    assert asked == ["2,000 events wait in the outbox: is `manage.py relay` at work?"]
    impatience.over()
    impatience.wait(2000)
    assert len(asked) == 1


@pytest.mark.parametrize("where", [{"tags__name__in": ["x", "y"]}, {"tags__pk__gt": 0}])
def test_row_is_sent_once_when_several_related_rows_match(articles, backfill, where):
    articles[1].tags.add(*(Tag.objects.create(name=name) for name in ("x", "y")))
    run = backfill(Article.objects.filter(**where))
    assert run.count() == 1
    assert [page.written for page in run.run(Flag())] == [1]


def test_query_is_the_same_when_nothing_repeats_its_rows():
    for rows in (Article.objects.filter(title="a"), Article.objects.exclude(tags__name="x")):
        assert backfilling.once_each(rows) is rows


@pytest.fixture
def declared(bridge, queues):
    call_command("topology", "--declare", verbosity=0)


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        # Of these two the command line says 2.
        (["foo.Artikel", "--to", "index"], "there is no model 'foo.Artikel'. Did you mean 'foo.Article'?", 1),
        (["foo.Article", "--to", "index", "--where", "title"], "expected FIELD=VALUE", 1),
        (["foo.Article", "--to", "index", "--where", "pk__in=1,2"], "pk__in takes JSON, as in pk__in=[1,2]", 1),
        (["foo.Article", "--to", "index", "--where", "pk__in=3"], "pk__in takes JSON, as in pk__in=[1,2]", 1),
        (["foo.Article", "--to", "index", "--where", "pk__in=[[1]]"], "--where: Field 'id' expected a number", 2),
        (["foo.Article", "--to", "index", "--where", "pk__range=[1]"], "pk__range takes JSON, as in pk__in=[1,2]", 1),
        (["foo.Article", "--to", "index", "--where", "at__isnull=3"], "at__isnull takes JSON, as in pk__in=[1,2]", 1),
        (["foo.Article", "--to", "nobody"], "There is no handler 'nobody' in the code", 2),
        (["foo.Article", "--to", "indx"], "There is no handler 'indx' in the code. Did you mean 'index'?", 2),
        (["foo.Article", "--to", "index", "--where", "titel=x"], "--where: Cannot resolve keyword 'titel'", 2),
        (["foo.Article", "--to", "index", "--where", "pk=x"], "--where: Field 'id' expected a number", 2),
        (["foo.Article", "--to", "index", "--after", "x"], "--after: ", 2),
        (["foo.Draft", "--to", "index"], "post_save of foo.Draft is not forwarded: a rule of FORWARD", 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_is_told(declared, arguments, says, code):
    with pytest.raises(CommandError) as caught:
        call_command("backfill", *arguments)
    assert says in str(caught.value)
    assert caught.value.returncode == code


@pytest.mark.parametrize(
    ("where", "titles"),
    [
        (["title__gte=b", "title__lt=d"], ["b", "c"]),
        (["title__contains=b", "title__contains=c"], []),
        (['title__in=["a", "e"]'], ["a", "e"]),
        (["at__isnull=false"], []),
    ],
    ids=str,
)
def test_rows_are_those_of_every_lookup(articles, declared, where, titles):
    call_command("backfill", "foo.Article", "--to", "index", *(f"--where={each}" for each in where))
    assert [title for _, _, title in written()] == titles


def test_queue_that_is_not_there_is_told(bridge, queues):
    with pytest.raises(CommandError, match=r"There is no queue .*\.index yet: `manage.py topology --declare`"):
        call_command("backfill", "foo.Article", "--to", "index")


def test_outbox_that_is_not_migrated_is_told_and_how_it_is(declared, transactional_db):
    with without_table(OutboxEvent), pytest.raises(CommandError) as caught:
        call_command("backfill", "foo.Article", "--to", "index")
    assert str(caught.value) == (
        "The outbox of 'default': the table publisher_outboxevent is not migrated; "
        "run: manage.py migrate publisher --database default"
    )


def test_routing_key_that_cannot_be_formed_is_told_where_the_project_is_strict(articles, declared, settings):
    rule = {"signal": "django.db.models.signals.post_save", "routing_key": "x.{kwargs[missing]}"}
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "STRICT": True, "FORWARD": [rule]}
    with pytest.raises(CommandError, match=r"routing_key='x\.{kwargs\[missing\]}': cannot be formed") as caught:
        call_command("backfill", "foo.Article", "--to", "index")
    assert caught.value.returncode == 1


def test_one_event_is_one(articles, declared, capsys):
    call_command("backfill", "foo.Article", "--to", "index", "--where", "title=a")
    assert capsys.readouterr().out == "1 event for index.\n"


def test_broker_that_is_away_is_told(bridge, settings):
    settings.SIGNAL_BRIDGE = {**bridge, "BROKER_URL": "amqp://127.0.0.1:1/"}
    with pytest.raises(CommandError, match="is not there") as caught:
        call_command("backfill", "foo.Article", "--to", "index")
    assert isinstance(caught.value.__cause__, BrokerUnavailable)


@pytest.mark.django_db(transaction=True)
@isolate_apps("tests.foo")
def test_rows_of_a_composite_key_are_gone_through_from_where_it_was(backfill, settings):
    class Seat(models.Model):
        pk = models.CompositePrimaryKey("row", "number")
        row = models.UUIDField()
        number = models.IntegerField()

        class Meta:
            app_label = "foo"

        def __str__(self):
            return f"{self.row}{self.number}"

    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "FORWARD": ["django.db.models.signals.post_save"]}
    rows = [UUID(int=row) for row in (1, 2)]
    with connection.schema_editor() as editor:
        editor.create_model(Seat)
    try:
        Seat.objects.bulk_create(Seat(row=row, number=number) for row in rows for number in (3, 1, 2))
        keys = [page.pk for page in backfill(Seat.objects.all(), handler=None).run(Flag())]
        assert keys == [(rows[0], 2), (rows[1], 1), (rows[1], 3)]
        last = key_from(Seat, key_text(keys[0]))
        assert last == keys[0]
        assert [page.pk for page in backfill(Seat.objects.all(), last, handler=None).run(Flag())] == [
            (rows[1], 1), (rows[1], 3),
        ]  # fmt: skip
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(Seat)


class Trouble:
    """Fails as many INSERTs into the outbox as it is told to."""

    def __init__(self, times):
        self.left = times

    def __call__(self, execute, sql, params, many, context):
        if self.left and sql.startswith("INSERT INTO") and "outboxevent" in sql:
            self.left -= 1
            raise OperationalError("deadlock detected")
        return execute(sql, params, many, context)


def test_page_is_tried_again_when_the_database_failed_at_it(articles, backfill, monkeypatch):
    monkeypatch.setattr("publisher.wire.pause.FIRST_PAUSE_SECONDS", 0.001)
    again = []
    with connection.execute_wrapper(Trouble(times=2)):
        pages = list(backfill().run(Flag(), again=again.append))
    assert [page.written for page in pages] == [2, 4, 5]
    assert [title for _, _, title in written()] == list("abcde")
    assert len(again) == 2


def test_trouble_that_does_not_pass_is_told_once_and_how_to_go_on(articles, declared, monkeypatch, capsys):
    monkeypatch.setattr("publisher.wire.pause.FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(backfilling, "PAGE_ROWS", 2)
    with (
        connection.execute_wrapper(Trouble(times=1000)),
        pytest.raises(CommandError, match=r"deadlock detected\) 0 events for index. To go on: --after 0$"),
    ):
        call_command("backfill", "foo.Article", "--to", "index", "--after", "0")
    said = capsys.readouterr().err
    assert said.count("Some rows are tried again: ") == 1
    assert "deadlock detected" in said


@pytest.fixture
def deferred(tmp_path, django_db_blocker):
    """The alias of an SQLite file without `transaction_mode`, with an outbox and an article."""
    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "deferred.sqlite3")}
    settings["OPTIONS"] = {"init_command": "PRAGMA journal_mode=WAL"}
    connections.databases["deferred"] = connections.configure_settings({"default": {}, "deferred": settings})[
        "deferred"
    ]
    with django_db_blocker.unblock():
        with connections["deferred"].schema_editor() as editor:
            for model in (OutboxEvent, Article):
                editor.create_model(model)
        Article.objects.using("deferred").bulk_create([Article(title="a")])
        yield "deferred"
        connections["deferred"].close()
    del connections["deferred"], connections.databases["deferred"]


def is_let_alone(sender, instance, **kwargs):
    """Writes to the file by another connection, between what the page reads and what it writes."""
    path = connections["deferred"].settings_dict["NAME"]
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other, suppress(sqlite3.OperationalError):
        other.execute("UPDATE foo_article SET title = 'b'")
    return True


def test_nobody_writes_within_a_page_on_sqlite(backfill, deferred, settings):
    rule = {"signal": "django.db.models.signals.post_save", "when": "tests.consumers.test_backfill.is_let_alone"}
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "FORWARD": [rule]}
    again = []
    (*_, last) = backfill(using=deferred).run(Flag(), again=again.append)
    assert (last.written, again) == (1, [])
    assert [title_in(row.body) for row in OutboxEvent.objects.using(deferred)] == ["a"]
