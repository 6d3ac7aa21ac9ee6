"""Writes of which Django sends no signal: a SignalManager sends one, in their transaction, and it is forwarded."""

from contextlib import suppress
from decimal import Decimal

import pytest
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import Case, F, Subquery, Value, When
from django.db.models.functions import Coalesce, Concat
from django.test import override_settings

from publisher.bulk import SignalQuerySet
from publisher.catalogue.sending import sent_kwargs
from publisher.catalogue.signals import known_as, named
from publisher.models import OutboxEvent
from publisher.outbox.writing import pending
from publisher.receivers import connect
from publisher.signals import bulk_created, bulk_updated, queryset_deleted, queryset_updated
from publisher.wire.event import decode_event
from tests.foo.models import Article, Note
from tests.kinds.models import Code, Everything, Option, Pair

pytestmark = pytest.mark.django_db

SIGNALS = {"signal": "publisher.signals.*", "senders": ["foo.*", "kinds.*"]}
MOST = "publisher.bulk.MOST_KEYS"


@pytest.fixture(autouse=True)
def forwarding():
    with override_settings(SIGNAL_BRIDGE={"FORWARD": [SIGNALS]}):
        yield


def written():
    rows = [*OutboxEvent.objects.all(), *pending("default")]
    return [decode_event(bytes(row.body), row.routing_key) for row in rows]


def told():
    """The routing key and the kwargs of the only event."""
    (event,) = written()
    return event.routing_key, event.kwargs


def articles(*titles):
    return [Article.objects.create(title=title).pk for title in titles]


def test_bulk_create_is_told_with_the_keys():
    made = Article.telling.bulk_create(Article(title=title) for title in "ab")
    kwargs = {"count": 2, "complete": True, "conflicts": None, "using": "default"}
    assert told() == ("publisher.bulk_created.foo.article", {"pks": [each.pk for each in made], **kwargs})


@pytest.mark.parametrize(
    ("pk", "options", "conflicts"),
    [
        (None, {"ignore_conflicts": True}, "ignore"),
        (7, {"ignore_conflicts": True}, "ignore"),
        (7, {"update_conflicts": True, "unique_fields": ["id"], "update_fields": ["title"]}, "update"),
    ],
)
def test_keys_are_not_known_when_conflicts_may_have_decided(pk, options, conflicts):
    Article.telling.bulk_create([Article(pk=pk, title="one")], **options)
    _, kwargs = told()
    assert (kwargs["pks"], kwargs["count"], kwargs["complete"], kwargs["conflicts"]) == (None, 1, False, conflicts)


def test_bulk_update_is_told_once_with_the_names_of_its_fields():
    pks = articles("a", "b", "c")
    rows = [Article(pk=pk, title="new", price=Decimal(pk)) for pk in pks]
    assert Article.telling.bulk_update(rows, ["title", "price"], batch_size=1) == 3
    kwargs = {"pks": pks, "count": 3, "complete": True, "fields": ["title", "price"], "using": "default"}
    assert told() == ("publisher.bulk_updated.foo.article", kwargs)


def test_update_is_told_with_the_keys_of_before_and_the_values():
    first, second, _ = articles("a", "a", "b")
    assert Article.telling.filter(title="a").update(title="b", price=Decimal("2.50")) == 2
    key, kwargs = told()
    assert key == "publisher.queryset_updated.foo.article"
    assert sorted(kwargs.pop("pks")) == [first, second]
    values = {"title": "b", "price": Decimal("2.50")}
    assert kwargs == {"count": 2, "complete": True, "values": values, "using": "default"}


def test_expressions_are_told_as_text():
    articles("a")
    Article.telling.update(price=F("price") + 1, title=Concat(F("title"), Value("!")), api_token=F("title"))
    (event,) = written()
    assert event.kwargs["values"] == {
        "price": "F(price) + Value(1)",
        "title": "Concat(ConcatPair(F(title), Value('!')))",
    }
    assert event.data["types"]["kwargs.values.price"] == "expression"


def test_queryset_among_the_values_is_not_run_by_telling(django_assert_num_queries):
    pk = Everything.objects.create(char="a").pk
    queryset = SignalQuerySet(Everything).filter(pk=pk)
    with django_assert_num_queries(2):
        queryset.update(char=Code.objects.values("code")[:1])
    assert told()[1]["values"]["char"].model == "kinds.code"


def test_queryset_within_an_expression_is_not_run_by_telling(django_assert_num_queries):
    pk = Everything.objects.create(char="a").pk
    taken = Everything.objects.filter(char="a")
    with django_assert_num_queries(2):
        SignalQuerySet(Everything).filter(pk=pk).update(
            integer=Case(When(pk__in=taken, then=Value(1)), default=Coalesce(Subquery(taken.values("integer")[:1]), 0))
        )
    assert told()[1]["values"]["integer"] == (
        "CASE WHEN <Q: (AND: ('pk__in', QuerySet(kinds.everything)))> THEN Value(1), "
        "ELSE Coalesce(Subquery(QuerySet(kinds.everything)), Value(0))"
    )


def test_secrets_among_the_values_stay():
    articles("a")
    redact = {"redact": {"title": "mask"}, "omit_fields": {"foo.Article": ["data"]}}
    with override_settings(SIGNAL_BRIDGE={"FORWARD": [SIGNALS | redact]}):
        Article.telling.update(title="planted title", api_token="planted token", data={"a": "planted data"}, raw=b"x")
    (event,) = written()
    assert event.kwargs["values"] == {"title": "p***", "raw": b"x"}
    assert event.data["types"]["kwargs.values.api_token"] == "dropped"
    assert event.data["types"]["kwargs.values.data"] == "dropped"
    assert "planted" not in str(event.data)


def test_value_stays_when_the_name_beside_it_is_a_secret_one():
    Option.objects.create(name="a")
    Option.objects.update(name="API_KEY", value="planted")
    Option.objects.update(name="THEME", value="dark")
    assert [event.kwargs["values"] for event in written()] == [{"name": "API_KEY"}, {"name": "THEME", "value": "dark"}]


def test_value_stays_when_the_name_beside_it_is_not_known():
    Option.objects.create(name="API_KEY")
    Option.objects.filter(name="API_KEY").update(value="planted")
    (event,) = written()
    assert (event.kwargs["values"], event.data["types"]["kwargs.values.value"]) == ({}, "dropped")


def test_keys_that_are_secrets_stay():
    Session.objects.create(session_key="planted", expire_date="2026-01-01T00:00Z")
    with override_settings(SIGNAL_BRIDGE={"FORWARD": [SIGNALS | {"senders": ["sessions.session"]}]}):
        SignalQuerySet(Session).delete()
    (event,) = written()
    assert event.kwargs["count"] == 1
    assert event.data["types"]["kwargs.pks"] == "dropped"
    assert "planted" not in str(event.data)


def test_related_instance_among_the_values_is_told_as_its_key():
    code = Code.objects.create(code="x")
    Pair.objects.bulk_create([Pair(code=code)])
    Pair.objects.update(code=Code.objects.create(code="y"))
    Pair.objects.update(code_id="x")
    assert [event.kwargs["values"] for event in written()[1:]] == [{"code": "y"}, {"code": "x"}]


def test_delete_is_told_once_with_the_keys_and_the_count():
    pks = articles("a", "b")
    Article.telling.order_by("title").delete()
    key, kwargs = told()
    assert (key, sorted(kwargs.pop("pks"))) == ("publisher.queryset_deleted.foo.article", pks)
    assert kwargs == {"count": 2, "complete": True, "using": "default"}


def test_raw_delete_is_told():
    pks = articles("a")
    assert Article.telling.filter(pk__in=pks)._raw_delete("default") == 1
    assert told()[1]["pks"] == pks


def test_rows_that_go_with_another_are_told_when_the_base_manager_tells():
    code = Code.objects.create(code="x")
    pair = Pair(code=code)
    pair.save()
    code.delete()
    assert told() == (
        "publisher.queryset_deleted.kinds.pair",
        {"pks": [pair.pk], "count": 1, "complete": True, "using": "default"},
    )


def test_save_tells_of_no_update_when_the_base_manager_tells():
    pair = Pair.objects.create(code=Code.objects.create(code="x"))
    pair.save()
    pair.delete()
    assert written() == []


def test_keys_are_a_sample_when_there_are_many(monkeypatch):
    monkeypatch.setattr(MOST, 2)
    Article.telling.bulk_create([Article(title="a") for _ in range(3)])
    Article.telling.update(title="b")
    Article.telling.bulk_update(list(Article.objects.all()), ["title"])
    Article.telling.all().delete()
    events = [event.kwargs for event in written()]
    assert [(len(kwargs["pks"]), kwargs["count"], kwargs["complete"]) for kwargs in events] == [(2, 3, False)] * 4


def test_nothing_is_told_when_nothing_was_written():
    Article.telling.bulk_create([])
    Article.telling.bulk_update([], ["title"])
    Article.telling.update(title="a")
    Article.telling.all().delete()
    assert written() == []


def test_update_costs_one_query_more_when_forwarded_and_none_when_not(django_assert_num_queries):
    articles("a")
    with django_assert_num_queries(2):
        Article.telling.update(title="b")
    with override_settings(SIGNAL_BRIDGE={"FORWARD": []}), django_assert_num_queries(1):
        Article.telling.update(title="c")


def test_what_django_refuses_is_refused_before_a_query(django_assert_num_queries):
    union = Article.telling.filter(pk=1).union(Article.telling.filter(pk=2))
    with django_assert_num_queries(0):
        with pytest.raises(TypeError, match="slice"):
            Article.telling.all()[:1].update(title="a")
        with pytest.raises(TypeError, match="limit"):
            Article.telling.all()[:1].delete()
        with pytest.raises(Exception, match="union"):
            union.update(title="a")
    assert not hasattr(Article.telling, "delete")
    with pytest.raises(ValueError, match="multi-table"):
        Note.telling.bulk_create([Note(title="a")])
    assert written() == []


@pytest.mark.django_db(transaction=True)
def test_write_and_event_are_one_transaction():
    with suppress(RuntimeError), transaction.atomic():
        Article.telling.bulk_create([Article(title="lost")])
        Article.telling.update(title="lost too")
        Article.telling.all().delete()
        raise RuntimeError
    assert (Article.objects.count(), written()) == (0, [])
    with suppress(RuntimeError):
        queryset_updated.connect(fail, sender=Article)
        pks = articles("kept")
        Article.telling.update(title="lost")
    queryset_updated.disconnect(fail, sender=Article)
    assert [Article.objects.get().title, written()] == ["kept", []]
    with transaction.atomic():
        Article.telling.update(title="new")
        assert not OutboxEvent.objects.exists()
    assert [event.kwargs["pks"] for event in written()] == [pks]
    assert not connection.in_atomic_block


@pytest.mark.parametrize(
    ("signal", "write"),
    [
        (bulk_created, lambda: Article.telling.bulk_create([Article(title="new")])),
        (bulk_updated, lambda: Article.telling.bulk_update([Article.objects.get()], ["title"])),
        (queryset_updated, lambda: Article.telling.update(title="new")),
        (queryset_deleted, lambda: Article.telling.all().delete()),
    ],
    ids=["bulk_created", "bulk_updated", "queryset_updated", "queryset_deleted"],
)
def test_write_is_told_of_when_another_receiver_raised_and_the_write_commits_nevertheless(signal, write):
    articles("old")
    signal.connect(fail, sender=Article)
    # As of an app that connects its receivers before the bridge does.
    connect()
    try:
        with transaction.atomic(), suppress(RuntimeError):
            write()
    finally:
        signal.disconnect(fail, sender=Article)
    assert [event.type for event in written()] == [known_as(signal).name]


def fail(**kwargs):
    raise RuntimeError


@pytest.mark.django_db(transaction=True)
def test_shared_queryset_tells_of_each_write_when_a_receiver_uses_it_again():
    articles("a")
    shared = Article.telling.all()

    def again(values, **kwargs):
        if values["title"] == "once":
            shared.update(title="twice")

    queryset_updated.connect(again, sender=Article)
    try:
        shared.update(title="once")
    finally:
        queryset_updated.disconnect(again, sender=Article)
    assert [event.kwargs["values"]["title"] for event in written()] == ["once", "twice"]
    assert Article.objects.get().title == "twice"


def test_all_four_are_in_the_catalogue_with_their_arguments():
    for signal in (bulk_created, bulk_updated, queryset_updated, queryset_deleted):
        known = next(known for name in NAMES if (known := named(f"publisher.signals.{name}")).signal is signal)
        assert sent_kwargs(known)[:3] == ("pks", "count", "complete")


NAMES = ("bulk_created", "bulk_updated", "queryset_updated", "queryset_deleted")


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])
def test_signals_are_sent_on_every_database_and_from_async_code(stage):
    stage.python(
        """
import asyncio
from tests.foo.models import Article

async def main():
    await Article.telling.abulk_create([Article(title="a"), Article(title="b")])
    rows = [row async for row in Article.telling.all()]
    await Article.telling.abulk_update(rows, ["title"])
    await Article.telling.aupdate(title="c")
    await Article.telling.all().adelete()

asyncio.run(main())
""",
        TEST_FORWARD='["publisher.signals.*"]',
    )
    rows = stage.database.rows("SELECT routing_key FROM publisher_outboxevent ORDER BY id")
    keys = [key for (key,) in rows if key.startswith("publisher.")]
    assert keys == [f"publisher.{name}.foo.article" for name in NAMES]
