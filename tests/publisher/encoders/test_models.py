"""Instances of every kind, there and back: every field equal to what was saved."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.db.models import CharField, F, IntegerField, Model, Value
from django.db.models.functions import Now
from django.test.utils import isolate_apps
from psycopg.types.range import Range

from publisher.wire.sent import SentQuerySet
from tests.foo.models import Article, Tag
from tests.kinds.models import (
    Child,
    Code,
    Deal,
    Everything,
    Grandchild,
    Hand,
    Pair,
    Point,
    PostgresEverything,
    ProxyOfEverything,
    Status,
)
from tests.publisher.encoders.travel import event, sent, travelled

VALUES = {
    "big": 2**62,
    "binary": b"\x00\xff",
    "boolean": False,
    "char": "Grüße \U0001f4ee",
    "date": date(2026, 1, 2),
    "datetime": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    "decimal": Decimal("1234567.890100"),
    "duration": timedelta(days=400, microseconds=1),
    "email": "a@example.com",
    "file": "files/a.txt",
    "image": "images/a.png",
    "file_path": "/etc/hosts",
    "float": 1.1,
    "ip": "::1",
    "integer": -5,
    "json": {"a": [1, {"b.c": None}], "model": "x", "pk": 1, "fields": {}},
    "slug": "a-b",
    "status": Status.DONE,
    "text": "a\nb",
    "time": time(1, 2, 3, 4),
    "url": "https://example.com/?a=1",
    "uuid": UUID(int=7),
    "hand": Hand("ace", "king"),
    "point": Point(1, -2),
}
POSTGRES = {
    "tags": ["a", "b,c", None],
    "grid": [[1, 2], [3, 4]],
    "prices": [Decimal("1.50"), None],
    "store": {"a": "1", "b": None},
    "numbers": Range(1, 5),
    "big_numbers": Range(None, 2**40),
    "decimals": Range(Decimal("1.5"), Decimal("2.5"), "[]"),
    "days": Range(date(2026, 1, 1), date(2026, 2, 1)),
    "moments": Range(datetime(2026, 1, 1, tzinfo=UTC), None),
    "search": "'a':1 'b':2",
}


def assert_equal(result, instance, *, dropped=()):
    assert type(result) is type(instance)
    assert (result.pk, result) == (instance.pk, instance)
    for field in instance._meta.concrete_fields:
        if field.name not in dropped:
            assert field.attname in result.__dict__, field.name
            assert getattr(result, field.attname) == getattr(instance, field.attname), field.name
    assert result.get_deferred_fields() == set(dropped)


@pytest.fixture
def user(db):
    return User.objects.create_user("ada", "ada@example.com", "planted-secret", first_name="Ada")


@pytest.fixture
def everything(user):
    parent = Everything.objects.create()
    return Everything.objects.create(
        **VALUES, owner=user, parent=parent, about=user, diary="planted-secret"
    )  # fmt: skip


def test_every_field_arrives_as_it_was_saved(everything):
    assert_equal(travelled(everything), everything, dropped={"diary"})
    read = Everything.objects.get(pk=everything.pk)
    result = travelled(read)
    assert_equal(result, read, dropped={"diary"})
    for name, value in VALUES.items():
        assert getattr(result, name) == value, name


def test_types_arrive_too(everything):
    read = Everything.objects.get(pk=everything.pk)
    result = travelled(read)
    for field in Everything._meta.concrete_fields:
        if field.name not in ("diary", "binary"):
            assert type(getattr(result, field.attname)) is type(getattr(read, field.attname)), field.name


def test_empty_fields_arrive_empty(db):
    empty = Everything.objects.create()
    assert_equal(travelled(empty), empty, dropped={"diary"})


def test_postgres_fields_arrive_as_they_were():
    instance = PostgresEverything(pk=1, **POSTGRES)
    assert_equal(travelled(instance), instance)
    empty = PostgresEverything(pk=2, numbers=Range(empty=True), tags=[])
    assert_equal(travelled(empty), empty)


def test_custom_field_is_written_as_its_field_writes_it(everything):
    fields = sent(everything)[0]["fields"]
    assert (fields["hand"], fields["point"]) == ("ace,king", "1,-2")


def test_key_is_written_as_its_field_writes_it_where_only_that_knows_it():
    hand, last = Hand("ace", "king"), Hand("ten")
    deal = Deal(hand=hand, last_id=last)
    assert sent(deal)[0] == {"model": "kinds.deal", "pk": "ace,king", "fields": {"hand": "ace,king", "last": "ten"}}
    assert event(instance=deal).subject == "kinds.deal/ace,king"
    assert (travelled(deal).pk, travelled(deal).last_id) == (hand, last)


def test_encrypted_field_stays_here(everything):
    plain, types = sent(everything)
    assert "diary" not in plain["fields"]
    assert types["fields.diary"] == "dropped"


def test_relations_arrive_as_keys_and_are_fetched_when_asked_for(everything, user, django_assert_num_queries):
    with django_assert_num_queries(0):
        result = travelled(everything)
        assert (result.owner_id, result.object_id) == (user.pk, user.pk)
        assert result.content_type_id == everything.content_type_id
    assert (result.owner, result.about, result.parent) == (user, user, everything.parent)
    assert result.content_type == ContentType.objects.get_for_model(User)


def test_foreign_key_arrives_when_it_refers_to_another_column():
    pair = Pair(pk=1, code=Code(code="x"))
    assert travelled(pair).code_id == "x"
    assert travelled(Code(code="a b/c")).pk == "a b/c"
    assert event(instance=Code(code="a b/c")).subject == "kinds.code/a b/c"


def test_proxy_arrives_as_the_proxy(everything):
    proxy = ProxyOfEverything.objects.get(pk=everything.pk)
    assert_equal(travelled(proxy), proxy, dropped={"diary"})
    assert sent(proxy)[0]["model"] == "kinds.proxyofeverything"


@pytest.mark.parametrize("model", [Child, Grandchild])
def test_child_arrives_with_its_parents_fields(db, model):
    child = model.objects.create(**VALUES, more="more")
    assert_equal(travelled(child), child, dropped={"diary"})
    assert_equal(travelled(model.objects.get()), model.objects.get(), dropped={"diary"})


def test_deferred_fields_stay_deferred(everything, django_assert_num_queries):
    some = Everything.objects.only("char", "hand", "decimal").get(pk=everything.pk)
    with django_assert_num_queries(0):
        result = travelled(some)
    assert (result.char, result.hand, result.decimal) == (VALUES["char"], VALUES["hand"], VALUES["decimal"])
    assert "text" in result.get_deferred_fields()
    assert result.text == VALUES["text"]


def test_instance_arrives_when_it_is_not_saved():
    result = travelled(Everything(char="a"))
    assert (result.pk, result.char, event(instance=Everything()).subject) == (None, "a", None)
    assert event(sender=Everything, instance=Everything()).partitionkey == "kinds.everything"


def test_value_is_left_to_the_database_when_it_has_to_work_it_out(everything):
    everything.integer = F("integer") + 1
    everything.updated = Now()
    plain, types = sent(everything)
    assert {"integer", "updated"}.isdisjoint(plain["fields"])
    assert (types["fields.integer"], types["fields.updated"]) == ("unknown", "unknown")
    result = travelled(everything)
    assert {"integer", "updated"} <= result.get_deferred_fields()
    assert result.integer == -5


def test_value_of_the_wrong_type_arrives_as_its_field_reads_it():
    result = travelled(Everything(pk=1, decimal="1.50", date="2026-01-02", integer="7", json=Point(1, 2)))
    assert (result.decimal, result.date, result.integer) == (Decimal("1.50"), date(2026, 1, 2), 7)
    assert result.json == Point(1, 2)


def test_value_that_its_field_does_not_know_arrives_as_text():
    result = travelled(Everything(pk=1, char=SimpleNamespace(a=1), text=["a"]))
    assert (result.char, result.text) == (SimpleNamespace(a=1), ["a"])
    assert travelled(Everything(pk=1, char=Hand("a"))).char.startswith("<tests.kinds.models.Hand object")


def test_many_to_many_is_sent_as_it_was_given(user):
    path = "django.db.models.signals.m2m_changed"
    kwargs = event(
        Everything.likes.through, path, instance=user, model=User, pk_set={1, 2}, action="post_add", reverse=False
    ).kwargs
    assert kwargs["pk_set"] == {1, 2}
    assert kwargs["model"] is User
    assert kwargs["instance"] == user


def test_user_arrives_without_the_password(user):
    assert_equal(travelled(user), user, dropped={"password"})


# --- what is made of models


def test_queryset_is_not_evaluated(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        for value in (Tag.objects.filter(name="planted"), Tag.objects, Tag.objects.all().values("name")):
            assert sent(value) == ({"model": "foo.tag"}, {"": "queryset"})
    assert travelled(Tag.objects.all()) == SentQuerySet(model="foo.tag")
    assert not travelled(Tag.objects.all()).is_whole


def test_queryset_has_its_first_rows_when_it_was_evaluated(db, django_assert_num_queries):
    Tag.objects.bulk_create(Tag(name=f"{n}") for n in range(150))
    tags, names = Tag.objects.order_by("pk"), Tag.objects.order_by("pk").values("name")[:2]
    pks = [tag.pk for tag in tags]
    list(names)
    with django_assert_num_queries(0):
        result = travelled(tags)
        assert travelled(names) == SentQuerySet(model="foo.tag", count=2, rows=({"name": "0"}, {"name": "1"}))
    assert (result.count, result.rows, result.is_whole) == (150, tuple(pks[:100]), False)
    assert travelled(Tag.objects.none()).count is None


@pytest.mark.parametrize("given", [{}, {"flat": True}, {"named": True}], ids=str)
def test_queryset_has_no_rows_when_nothing_names_what_is_in_them(user, given):
    hashes = User.objects.values_list("password", **given)
    assert user.password in str(list(hashes))
    assert sent(hashes) == ({"model": "auth.user", "count": 1}, {"": "queryset"})
    assert travelled(hashes) == SentQuerySet(model="auth.user", count=1)


@isolate_apps("tests.foo")
def test_queryset_has_its_rows_without_the_columns_that_are_secrets():
    class AuthToken(Model):
        key = CharField(max_length=40, primary_key=True)
        name = CharField(max_length=40)

        class Meta:
            app_label = "foo"

        def __str__(self):
            return self.name

    rows = AuthToken.objects.values("pk", "key", "name")
    rows._result_cache = [{"pk": "sown", "key": "sown", "name": "ada"}]
    plain, types = sent(rows)
    assert plain["rows"] == [{"name": "ada"}]
    assert types == {"": "queryset", "rows.0.pk": "dropped", "rows.0.key": "dropped"}


def test_related_manager_is_its_model(user):
    assert sent(user.groups)[0] == {"model": "auth.group"}
    assert sent(Group.objects.raw("SELECT 1"))[0] == {"model": "auth.group"}


@pytest.mark.parametrize(
    ("value", "plain", "tag"),
    [
        (Article._meta.get_field("title"), "foo.article.title", "field"),
        (Article._meta.get_field("tags"), "foo.article.tags", "field"),
        (Tag._meta.get_field("article"), "foo.tag.article", "field"),
        (IntegerField(), "django.db.models.fields.IntegerField", "field"),
        (Article, "foo.article", "model"),
        (F("a"), "F(a)", "expression"),
        (F("a") + Value(1), "F(a) + Value(1)", "expression"),
    ],
    ids=str,
)
def test_what_belongs_to_a_model_is_named(value, plain, tag):
    assert sent(value) == (plain, {"": tag})


def test_instance_with_files_is_sent_with_their_names(db, settings, tmp_path):
    storage = InMemoryStorage()
    everything = Everything(pk=1)
    everything.file.storage = storage
    everything.file.save("a.txt", ContentFile(b"planted-secret"), save=False)
    name = everything.file.name
    assert sent(everything)[0]["fields"]["file"] == name
    assert travelled(everything).file.name == name
