"""Models and requests as handlers get them."""

import copy
import pickle
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import models
from django.db.models.signals import post_delete, post_save
from django.test import RequestFactory

from consumers.instances import Record, SentRequest, _tell_once, fresh, instance_of, kwargs_of, model_named
from publisher.catalogue.signals import named
from publisher.encoders.fields import value_read
from publisher.events.dispatch import encoded_event
from publisher.rules import Rule
from publisher.wire.event import Event, decode_event
from tests.foo.models import Article, Note, Tag, private_data

LOGIN = "tests.foo.signals.user_login"
POST_SAVE = "django.db.models.signals.post_save"


def travelled(value, **rule):
    rule = Rule(signal=LOGIN, **rule)
    return decode_event(encoded_event(named(LOGIN), None, {"x": value}, rule, "blog").body).kwargs["x"]


def test_model_comes_back_with_the_types_of_its_fields():
    article = Article(
        pk=42,
        title="one",
        price=Decimal("9.90"),
        at=datetime(2026, 11, 23, 8, tzinfo=UTC),
        ref=UUID(int=7),
        length=timedelta(days=1, microseconds=1),
        raw=b"\x00\xff",
        data={"a": [1, {"b": None}], "model": "x", "pk": 1, "fields": {}},
    )
    result = travelled(article)
    for field in Article._meta.concrete_fields:
        if field.name != "api_token":
            assert getattr(result, field.attname) == getattr(article, field.attname), field.name
            assert type(getattr(result, field.attname)) is type(getattr(article, field.attname)), field.name
    assert result == article
    assert (result._state.adding, result._state.db) == (False, "default")


def test_model_is_rebuilt_without_a_query():
    # The database is closed to this test: a query would raise.
    assert travelled(Article(pk=1, title="one")).title == "one"


def test_text_becomes_the_fields_type_when_another_publisher_wrote_it():
    sent = {"model": "foo.article", "pk": 1, "fields": {"price": "9.90", "at": "2026-11-23T08:00:00Z", "title": "5"}}
    article = instance_of(sent)
    assert (article.price, article.at, article.title) == (Decimal("9.90"), datetime(2026, 11, 23, 8, tzinfo=UTC), "5")
    assert article.pk == 1


def test_key_that_cannot_be_read_is_left_as_it_was_sent_of_a_row_that_is_gone():
    """Another service's keys may be UUIDs."""
    fields = {"char": "a", "owner": "3f2b9c1e-0000-4000-8000-000000000000"}
    sent = {"model": "kinds.everything", "pk": 1, "fields": fields}
    data = {"sender": "kinds.everything", "kwargs": {"instance": sent}, "types": {}}
    event = Event(specversion="1.0", id="1", source="/x", type="django.db.models.signals.post_delete", data=data)
    instance = kwargs_of(event, post_delete)["instance"]
    assert (instance.char, instance.owner_id) == ("a", fields["owner"])


@pytest.mark.django_db
def test_field_is_deferred_when_it_cannot_read_what_was_sent(caplog):
    pk = Article.objects.create(title="one", price="1.50").pk
    article = instance_of({"model": "foo.article", "pk": pk, "fields": {"title": "two", "price": "cheap"}})
    assert article._partial_fields == {"price": "cheap"}
    assert "field=foo.article.price cannot be read as it was sent: it is deferred" in caplog.text
    # Nothing is saved there that could not be read any more.
    article.save()
    assert (Article.objects.get().title, article.price) == ("two", Decimal("1.50"))
    assert instance_of({"model": "foo.article", "pk": "x", "fields": {}}).pk == "x"


def test_pk_is_known_when_no_field_was_sent():
    tag = instance_of({"model": "foo.tag", "pk": 7, "fields": {}})
    assert (tag.pk, tag.get_deferred_fields()) == (7, {"name"})


@pytest.mark.django_db
def test_secret_fields_are_deferred_and_read_from_the_database(django_assert_num_queries):
    article = Article.objects.create(title="one", api_token="planted-secret")
    result = travelled(article)
    assert result.get_deferred_fields() == {"api_token"}
    with django_assert_num_queries(1):
        assert result.api_token == "planted-secret"


@pytest.mark.django_db
def test_user_is_usable_without_its_password():
    user = User.objects.create_user("ada", password="planted-password")
    result = travelled(user)
    assert (result.get_username(), result.is_authenticated, result == user) == ("ada", True, True)
    assert result.get_deferred_fields() == {"password"}
    assert result.check_password("planted-password")


@pytest.fixture
def told(caplog):
    """What is logged, as if nothing had been before."""
    _tell_once.cache_clear()
    caplog.set_level("WARNING", "consumers.instances")
    return lambda: [record.getMessage() for record in caplog.records]


def test_field_that_this_project_does_not_have_is_kept_aside_and_told_once(told):
    sent = {"model": "foo.tag", "pk": 1, "fields": {"name": "a", "colour": Decimal(3), "save": "no"}}
    tag, other = instance_of(sent), instance_of(sent)
    assert (tag.name, other._unknown_fields) == ("a", {"colour": Decimal(3), "save": "no"})
    assert not hasattr(tag, "colour")
    assert callable(tag.save)
    assert told() == [
        f"models differ field=foo.tag.{name} is not in this project's model: kept aside" for name in ("colour", "save")
    ]


def test_field_that_the_senders_model_does_not_have_takes_its_default_and_is_told_once(told):
    sent = {"model": "foo.article", "pk": 1, "fields": {"title": "one", "raw": b""}}
    article, other = instance_of(sent, "api_token"), instance_of(sent, "api_token")
    assert (article.price, article.at) == ("1.50", None)
    assert article.data == other.data == private_data()
    assert article.data is not other.data
    assert article.get_deferred_fields() == {"api_token"}
    assert [line.split()[2] for line in told()] == [
        f"field=foo.article.{name}" for name in ("price", "at", "ref", "length", "data")
    ]


def test_nothing_is_told_when_the_models_are_the_same(told):
    assert travelled(Article(pk=1, title="one"))._unknown_fields == {}
    assert told() == []


@pytest.mark.parametrize(
    ("instance", "rule"),
    [
        (Article(pk=1, title="one"), {"fields": {"foo.article": frozenset(("title",))}}),
        (Article.from_db("default", ["id", "title"], [1, "one"]), {}),
        (
            Article(pk=1, title="one"),
            {"omit_fields": {"foo.article": frozenset(("price", "at", "ref", "length", "raw", "data"))}},
        ),
    ],
    ids=["chosen by the rule", "deferred by the sender", "omitted by the rule"],
)
def test_field_that_was_not_to_leave_is_deferred(told, instance, rule):
    result = travelled(instance, **rule)
    assert result.title == "one"
    assert result.get_deferred_fields() >= {"price", "at", "ref", "length", "raw", "data", "api_token"}
    assert told() == []


HIDES_MAILS = {"redact": (("email", "mask"), ("iban", "hash"))}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("data", "rule", "part"),
    [
        ({"colour": "red", "api_token": "planted-secret"}, {}, {"colour": "red"}),
        ([{"colour": "red"}, {"api_token": "planted-secret"}], {}, [{"colour": "red"}, {}]),
        ({"email": "ada@example.org", "n": 1}, HIDES_MAILS, {"email": "a***@example.org", "n": 1}),
        (
            {"colour": "red", "api_token": "planted-secret"},
            {"fields": {"foo.article": frozenset(("id", "title", "data"))}},
            {"colour": "red"},
        ),
    ],
    ids=["dropped", "in a list", "masked", "under a rule with fields"],
)
def test_field_that_was_not_sent_whole_is_deferred_and_saved_over_nothing(told, data, rule, part):
    article = Article.objects.create(title="one", data=data)
    result = travelled(article, **rule)
    assert "data" in result.get_deferred_fields()
    assert result._partial_fields == {"data": part}
    result.title = "two"
    result.save()
    assert result.data == data, "read from the database"
    article.refresh_from_db()
    assert (article.title, article.data) == ("two", data)
    assert told() == []


def test_hash_within_a_field_is_a_part_too():
    result = travelled(Article(pk=1, data={"iban": "DE00 planted", "n": 1}), **HIDES_MAILS)
    assert "data" in result.get_deferred_fields()
    assert result._partial_fields["data"].keys() == {"iban", "n"}


def test_field_whose_default_the_database_makes_is_deferred():
    (event,) = (instance_of({"model": "consumers.inboxevent", "pk": 1, "fields": {"event_id": "x"}}),)
    assert (event.subscription, event.get_deferred_fields()) == ("", {"handled_at"})


def test_child_comes_back_with_its_parents_fields():
    result = travelled(Note(pk=3, title="one", text="two"))
    assert (type(result), result.pk, result.title, result.text) == (Note, 3, "one", "two")


def test_record_stands_for_an_instance_when_the_model_is_unknown():
    record = instance_of({"model": "shop.order", "pk": 5, "fields": {"total": Decimal("3"), "model_name": "x"}})
    assert isinstance(record, Record)
    assert (record.model, record.pk, record.total, record.model_name) == ("shop.order", 5, Decimal("3"), "x")
    with pytest.raises(AttributeError, match=r"shop\.order was sent without 'nothing'"):
        _ = record.nothing
    for name in ("total", "pk", "something_else"):
        with pytest.raises(AttributeError, match=r"shop\.order is no model of this project"):
            setattr(record, name, 4)


def test_record_has_the_keys_of_its_relations_as_the_model_has_them():
    record = instance_of({"model": "shop.order", "pk": 5, "fields": {"user": 7, "paid_id": "x"}})
    assert (record.user, record.user_id, record.paid_id) == (7, 7, "x")
    with pytest.raises(AttributeError, match="without 'item_id'; with user, paid_id"):
        _ = record.item_id


def test_record_can_be_compared_and_shown():
    one, two = (Record(model="a.b", pk=1, fields={"c": 1}) for _ in range(2))
    assert one == two
    assert "a.b" in repr(one)


def test_record_can_be_copied_and_pickled():
    record = Record(model="a.b", pk=1, fields={"c": 1})
    assert copy.copy(record) == copy.deepcopy(record) == pickle.loads(pickle.dumps(record)) == record


@pytest.mark.parametrize("label", ["", "x", "foo.nothing", "a.b.c", "nothing.tag"])
def test_no_model_is_found_when_the_label_is_none(label):
    assert model_named(label) is None


def test_request_comes_back_as_a_projection():
    request = RequestFactory().get("/post/?a=1", headers={"User-Agent": "agent"})
    request.user = User(pk=5)
    sent = travelled(request)
    assert isinstance(sent, SentRequest)
    assert (sent.method, sent.path, sent.client, sent.user) == ("GET", "/post/", "127.0.0.1", 5)
    assert sent.headers["User-Agent"] == "agent"


def test_models_in_containers_come_back():
    tags = {Tag(pk=1, name="a"), Tag(pk=2, name="b")}
    assert travelled({"tags": tags, "class": Tag}) == {"tags": tags, "class": Tag}


class ReadsFromAReplica:
    def db_for_read(self, model, **hints):
        return "other"

    def db_for_write(self, model, **hints):
        return "default"


@pytest.mark.django_db(databases=["default", "other"])
def test_row_is_read_fresh_where_it_was_written_when_reads_go_to_a_replica(settings):
    written = Tag.objects.create(name="new")
    Tag.objects.filter(pk=written.pk).update(name="newer")
    settings.DATABASE_ROUTERS = [ReadsFromAReplica()]
    assert not Tag.objects.exists()
    assert fresh(travelled(written)).name == "newer"


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize(("service", "database"), [("blog", "other"), ("elsewhere", "default")])
def test_instance_is_of_the_database_it_was_written_to_when_its_service_is_this_one(settings, service, database):
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "SERVICE": "blog"}
    written = Tag.objects.using("other").create(name="new")
    kwargs = {"instance": written, "created": True, "raw": False, "using": "other", "update_fields": None}
    rule = Rule(signal=POST_SAVE)
    event = decode_event(encoded_event(named(POST_SAVE), Tag, kwargs, rule, service).body)
    instance = kwargs_of(event, post_save)["instance"]
    assert instance._state.db == database
    if service == "blog":
        assert fresh(instance).name == "new"


def test_text_that_a_projects_own_field_cannot_read_is_what_was_sent():
    class Grams(models.IntegerField):
        def to_python(self, value):
            return int(value)

    assert value_read(Grams(), "500 g") == "500 g"
