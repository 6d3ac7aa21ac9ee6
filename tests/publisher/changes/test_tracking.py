"""What a save changed, and at what price."""

import pickle
from contextlib import nullcontext, suppress
from copy import copy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import models, transaction
from django.db.models import F
from django.db.models.signals import post_save
from django.test import override_settings
from django.test.utils import CaptureQueriesContext, isolate_apps

from publisher import generated, receivers
from publisher.changes import tracking
from publisher.models import OutboxEvent
from publisher.outbox.writing import pending
from publisher.wire.event import decode_event
from publisher.wire.redacted import Redacted
from tests.foo.models import Article, Note, Tag
from tests.kinds.models import Everything, Hand, Heading, Option, Point, ProxyOfEverything

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
SAVE = "django.db.models.signals.post_save"


@pytest.fixture(autouse=True)
def forwarding():
    """Rules with changes, for the models of these tests."""
    rules = [
        {"signal": "django.db.models.signals.pre_save", "senders": ["foo.Article"]},
        {"signal": SAVE, "senders": ["foo.*", "kinds.*", "auth.User"], "changes": True},
    ]
    with override_settings(SIGNAL_BRIDGE={"FORWARD": rules}):
        yield


def last():
    rows = [*OutboxEvent.objects.all(), *pending("default")]
    return decode_event(bytes(rows[-1].body))


def fields():
    return last().data["kwargs"]["instance"]["fields"]


def told():
    return last().kwargs["changes"]


def selects(queries):
    return [query["sql"] for query in queries if query["sql"].startswith("SELECT")]


@pytest.fixture
def queries(django_db_blocker):
    from django.db import connection

    with CaptureQueriesContext(connection) as captured:
        yield captured


def test_changes_are_old_and_new_by_field_for_one_query(queries):
    pk = Article.objects.create(title="one", price=Decimal("1.50"), data={"a": 1}).pk
    assert told() == {}
    article = Article.objects.get(pk=pk)
    before = len(queries)
    article.title, article.price, article.at = "two", "2.5", datetime(2026, 1, 1, tzinfo=UTC)
    article.save()
    assert len(selects(queries.captured_queries[before:])) == 1
    assert told() == {
        "title": ["one", "two"],
        "price": [Decimal("1.50"), Decimal("2.5")],
        "at": [None, datetime(2026, 1, 1, tzinfo=UTC)],
    }
    assert last().data["kwargs"]["changes"]["title"] == ["one", "two"]


def test_nothing_changed_when_the_same_is_saved_again():
    article = Article.objects.create(title="one", price="1.50", ref=uuid4())
    article.save()
    assert told() == {}
    Article.objects.get(pk=article.pk).save()
    assert told() == {}


def test_old_values_are_those_of_the_row_when_another_has_changed_it_meanwhile():
    article = Article.objects.create(title="one")
    Article.objects.filter(pk=article.pk).update(title="meanwhile")
    article.save()
    assert told() == {"title": ["meanwhile", "one"]}


def test_update_fields_cost_no_query(queries):
    pk = Article.objects.create(title="one", price="1").pk
    article = Article.objects.get(pk=pk)
    article.title, article.price = "two", Decimal("3")
    before = len(queries)
    article.save(update_fields=["title"])
    assert not selects(queries.captured_queries[before:])
    assert told() == {"title": ["one", "two"]}
    article.title = "three"
    article.save(update_fields=["title", "price"])
    assert told() == {"title": ["two", "three"], "price": [Decimal("1"), Decimal("3")]}
    article.save(update_fields=["title"])
    assert told() == {}


def test_old_value_is_not_known_when_the_instance_was_not_loaded():
    pk = Article.objects.create(title="one").pk
    Article(pk=pk, title="two").save(update_fields=["title"])
    assert told() == {"title": [None, "two"]}
    assert last().data["types"]["kwargs.changes.title.0"] == "unknown"
    # Without update_fields the row is looked at, whoever made the instance.
    Article(pk=pk, title="three").save()
    assert told()["title"] == ["two", "three"]


def test_deferred_field_is_known_when_it_was_read_after_all(queries):
    pk = Article.objects.create(title="one", price="1").pk
    article = Article.objects.only("title").get(pk=pk)
    article.title = "two"
    article.save()  # Django makes of it update_fields
    assert told() == {"title": ["one", "two"]}
    assert article.price == Decimal("1")
    article.price = Decimal("2")
    article.save(update_fields=["price"])
    assert told() == {"price": [Decimal("1"), Decimal("2")]}


def test_old_value_is_the_refreshed_one():
    article = Article.objects.get(pk=Article.objects.create(title="one").pk)
    Article.objects.filter(pk=article.pk).update(title="two", price="7")
    article.refresh_from_db(fields=["title"])
    article.title = "three"
    article.save(update_fields=["title"])
    assert told() == {"title": ["two", "three"]}
    article.refresh_from_db()
    article.price = Decimal("8")
    article.save(update_fields=["price"])
    assert told() == {"price": [Decimal("7"), Decimal("8")]}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("around", [nullcontext, transaction.atomic])
def test_change_is_told_when_a_save_that_was_rolled_back_is_tried_again(around):
    article = Article.objects.get(pk=Article.objects.create(title="a").pk)
    with around():
        article.title = "b"
        article.save(update_fields=["title"])
        with suppress(ZeroDivisionError), transaction.atomic():
            article.title = "c"
            article.save(update_fields=["title"])
            assert told() == {"title": ["b", "c"]}
            article.title = "d"
            article.save(update_fields=["title"])
            assert told() == {"title": ["c", "d"]}
            1 / 0  # noqa: B018
        article.save(update_fields=["title"])
        assert told() == {"title": ["b", "d"]}
    article.save(update_fields=["title"])
    assert told() == {}


class Unread(list):
    """Would take longer with each save of a transaction."""

    def __iter__(self):
        raise AssertionError

    __reversed__ = __iter__


def test_saves_of_a_transaction_do_not_look_through_what_waits_for_its_commit(monkeypatch):
    article = Article.objects.create(title="one")
    with monkeypatch.context() as patched:
        patched.setattr(transaction.get_connection(), "run_on_commit", Unread())
        article.save()
        article.title = "two"
        article.save(update_fields=["title"])


def test_old_values_are_known_to_who_takes_the_instance_along():
    with transaction.atomic():
        article = Article.objects.create(title="a")
        taken = pickle.loads(pickle.dumps(article))
    taken.title = "b"
    taken.save(update_fields=["title"])
    assert told() == {"title": ["a", "b"]}


def test_old_values_of_a_copy_are_its_own():
    article = Article.objects.get(pk=Article.objects.create(title="one").pk)
    other = copy(article)
    other.pk = other.id = None
    other.title = "copy"
    other.save()
    article.title = "two"
    article.save(update_fields=["title"])
    assert told() == {"title": ["one", "two"]}


def test_change_is_told_when_a_value_was_changed_in_place():
    article = Article.objects.get(pk=Article.objects.create(title="one", data={"a": [1]}).pk)
    article.data["a"].append(2)
    article.save(update_fields=["data"])
    assert told() == {"data": [{"a": [1]}, {"a": [1, 2]}]}


def test_new_value_is_not_known_when_the_database_works_it_out():
    article = Article.objects.create(title="one", price="1")
    article.price = F("price") + 1
    article.save()
    # From Django 6.1 on, it brings back what the database made of it, or defers the field.
    brought_back = isinstance(article.__dict__.get("price"), Decimal)
    assert told() == {"price": [Decimal("1"), Decimal("2") if brought_back else None]}
    assert last().data["types"]["kwargs.changes.price.1"] == ("decimal" if brought_back else "unknown")
    article.price = Decimal("3")
    article.save(update_fields=["price"])
    assert told() == {"price": [Decimal("2") if brought_back else None, Decimal("3")]}


@pytest.mark.parametrize("is_tracked", [True, False])
def test_column_that_the_database_computes_is_never_told_as_it_was_before(is_tracked):
    with override_settings(SIGNAL_BRIDGE={"FORWARD": [{"signal": SAVE, "changes": is_tracked}]}):
        heading = Heading.objects.create(text="One")
        assert fields().get("lower", "one") == "one"
        for heading.text, heading.level in (("Two", 1), ("Two", 2), ("Three", 3)):
            heading.save()
            assert fields().get("lower", heading.text.lower()) == heading.text.lower()
            is_unknown = last().data["types"].get("kwargs.instance.fields.lower") == "unknown"
            assert is_unknown or not generated.outdated_by_updates(Heading)
            # It is read where it was not sent.
            assert last().kwargs["instance"].lower == heading.text.lower()


def test_change_of_what_the_database_computes_is_told_where_django_reads_it_back():
    heading = Heading.objects.create(text="One")
    heading.text = "Two"
    heading.save()
    is_read_back = generated.ARE_READ_BACK and "lower" in heading.__dict__
    assert told() == {"text": ["One", "Two"], **({"lower": ["one", "two"]} if is_read_back else {})}
    heading.level = 2
    heading.save()
    assert told() == {"level": [1, 2]}


@pytest.mark.parametrize("update_fields", [None, ["price", "data"]])
def test_new_value_is_what_the_column_holds_of_it(update_fields):
    article = Article.objects.get(pk=Article.objects.create(title="one", data={}).pk)
    article.price, article.data = Decimal("11.8881"), {"a": (1, 2), 3: "x"}
    article.save(update_fields=update_fields)
    assert told() == {
        "price": [Decimal("1.50"), Decimal("11.89")],
        "data": [{}, {"a": [1, 2], "3": "x"}],
    }
    article.save(update_fields=update_fields)
    assert told() == {}
    assert Article.objects.filter(pk=article.pk).values_list("price", "data").get() == (
        Decimal("11.89"),
        {"a": [1, 2], "3": "x"},
    )


@pytest.mark.parametrize("price", ["1.125", "1.115", "1.135", "99999.995", "0.005", "-2.345", "7"])
def test_nothing_changed_when_a_rounded_value_is_saved_again(price):
    article = Article.objects.create(title="one", price=Decimal(price))
    article.save()
    assert told() == {}
    article.price = float(price)
    article.save(update_fields=["price"])
    assert told() == {}


def test_nothing_changed_when_text_for_a_number_is_saved_again():
    article = Article.objects.create(title="one", price="1.50")
    article.save(update_fields=["price"])
    assert told() == {}


def test_row_that_was_made_again_under_a_known_key_is_new():
    Article(pk=77, title="one").save()
    assert told() == {}
    Article(pk=78, title="one").save(force_insert=True)
    assert told() == {}


def test_changes_of_a_child_are_those_of_its_parents_too(queries):
    note = Note.objects.create(title="one", text="a")
    before = len(queries)
    note.title, note.text = "two", "b"
    note.save()
    assert len(selects(queries.captured_queries[before:])) == 1
    assert told() == {"title": ["one", "two"], "text": ["a", "b"]}


def test_changes_of_a_proxy_are_told():
    proxy = ProxyOfEverything.objects.get(pk=Everything.objects.create(char="a").pk)
    proxy.char = "b"
    proxy.save(update_fields=["char"])
    assert told() == {"char": ["a", "b"]}


def test_values_are_of_the_fields_types():
    everything = Everything.objects.create(hand=Hand("ace"), point=Point(1, 2), file="a.txt")
    everything.hand, everything.point, everything.file, everything.binary = Hand("king"), None, "b.txt", b"x"
    everything.save()
    assert {name: pair for name, pair in told().items() if name != "updated"} == {
        "hand": [Hand("ace"), Hand("king")],
        "point": [Point(1, 2), None],
        "file": ["a.txt", "b.txt"],
        "binary": [None, b"x"],
    }


def test_secret_and_redacted_fields_are_not_told(settings):
    article = Article.objects.create(title="one", api_token="planted-old")
    article.api_token = "planted-new"
    article.save()
    assert told() == {}
    assert last().data["types"]["kwargs.changes.api_token"] == "dropped"
    user = User.objects.create_user("ada", "ada@example.com", "planted-password")
    settings.SIGNAL_BRIDGE = {"FORWARD": [{"signal": SAVE, "changes": True, "redact": {"email": "mask"}}]}
    user = User.objects.get(pk=user.pk)
    user.email, user.first_name = "bob@example.org", "Ada"
    user.set_password("planted-another")
    user.save()
    assert told() == {"email": ["a***@example.com", "b***@example.org"], "first_name": ["", "Ada"]}
    assert isinstance(told()["email"][0], Redacted)
    assert b"planted" not in b"".join(bytes(row.body) for row in pending("default"))


def test_changed_value_stays_when_the_name_beside_it_is_a_secret_one():
    option = Option.objects.create(name="API_KEY", value="planted")
    option.value = "planted too"
    option.save()
    assert told() == {}
    assert last().data["types"]["kwargs.changes.value"] == "dropped"
    assert "planted" not in str(last().data)


def test_changed_value_stays_when_the_name_beside_it_was_a_secret_one():
    option = Option.objects.create(name="API_KEY", value="planted")
    option.name, option.value = "THEME", "dark"
    option.save()
    assert told() == {"name": ["API_KEY", "THEME"]}
    assert last().data["types"]["kwargs.changes.value"] == "dropped"


def test_fields_are_those_of_the_rule():
    rule = {"signal": SAVE, "changes": True, "fields": {"foo.Article": ["title"]}}
    with override_settings(SIGNAL_BRIDGE={"FORWARD": [rule]}):
        article = Article.objects.create(title="one", price="1")
        article.title, article.price = "two", Decimal("2")
        article.save()
        assert told() == {"title": ["one", "two"]}


def test_nothing_is_told_of_changes_when_the_rule_does_not_ask_or_nobody_looked(queries):
    with override_settings(SIGNAL_BRIDGE={"FORWARD": [SAVE]}):
        article = Article.objects.create(title="one")
        before = len(queries)
        article.save()
        assert not selects(queries.captured_queries[before:])
        assert "changes" not in last().kwargs
    post_save.send(sender=Article, instance=article, created=False, raw=False, using="default", update_fields=None)
    assert "changes" not in last().kwargs


@pytest.fixture
def again():
    """Have a receiver save the instance again, once: `again(title="x")`, or with `update_fields`."""
    connected = []

    def connect(update_fields=None, **values):
        def receiver(instance, **kwargs):
            if any(getattr(instance, name) != value for name, value in values.items()):
                for name, value in values.items():
                    setattr(instance, name, value)
                instance.save(update_fields=update_fields)

        connected.append(receiver)
        post_save.connect(receiver, sender=Article)

    yield connect
    for receiver in connected:
        post_save.disconnect(receiver, sender=Article)


def told_each():
    rows = [*OutboxEvent.objects.all(), *pending("default")]
    events = [decode_event(bytes(row.body)).kwargs for row in rows]
    return [(event["created"], event["changes"]) for event in events if "created" in event]


@pytest.mark.parametrize("update_fields", [None, ["length"]])
def test_changes_of_a_new_row_are_told_when_a_receiver_saves_it_again(again, update_fields):
    again(update_fields, length=DAY)
    Article.objects.create(title="one")
    assert told_each() == [(True, {}), (False, {"length": [None, DAY]})]


@pytest.mark.parametrize("update_fields", [None, ["title"]])
def test_changes_of_both_are_told_when_a_receiver_saves_it_again(again, update_fields):
    article = Article.objects.get(pk=Article.objects.create(title="one").pk)
    again(update_fields, title="three")
    article.title = "two"
    article.save(update_fields=["title"])
    assert told_each()[1:] == [(False, {"title": ["one", "two"]}), (False, {"title": ["two", "three"]})]


def test_change_is_told_when_a_receiver_that_was_there_before_saves_all_of_it_again(again):
    article = Article.objects.get(pk=Article.objects.create(title="one").pk)
    again(length=DAY)
    receivers.connect()
    article.title = "two"
    article.save(update_fields=["title"])
    assert told_each()[1:] == [(False, {"title": ["one", "two"]}), (False, {"length": [None, DAY]})]


@pytest.mark.django_db(transaction=True)
def test_old_values_are_read_in_the_transaction_of_the_save(queries):
    article = Article.objects.create(title="one")
    before = len(queries)
    article.title = "two"
    article.save()
    statements = [query["sql"].split()[0] for query in queries.captured_queries[before:]]
    assert statements[:2] == ["BEGIN", "SELECT"]
    assert statements[-1] == "COMMIT"
    with transaction.atomic():
        article.title = "three"
        article.save()
        transaction.set_rollback(True)
    article.save()
    assert told() == {"title": ["two", "three"]}


def test_models_are_what_they_were_when_no_rule_asks_any_more():
    assert "from_db" in vars(Tag)
    with override_settings(SIGNAL_BRIDGE={"FORWARD": []}):
        assert not {"from_db", "save_base", "refresh_from_db"} & vars(Tag).keys()
        assert tracking._tracked == {}
    assert "from_db" in vars(Tag)


@isolate_apps("tests.foo")
def test_methods_of_the_models_own_are_kept():
    class Own(models.Model):
        class Meta:
            app_label = "foo"

        def __str__(self):
            return "own"

        @classmethod
        def from_db(cls, db, field_names, values):
            instance = super().from_db(db, field_names, values)
            instance.was_loaded = True
            return instance

        def save_base(self, *args, **kwargs):
            self.was_saved = True

    originals = dict(vars(Own))
    tracking.track(Own)
    try:
        own = Own.from_db("default", ["id"], [1])
        own.save(force_insert=True)
        assert own.was_loaded
        assert own.was_saved
    finally:
        del tracking._tracked[Own]
        for name in ("from_db", "save_base"):
            setattr(Own, name, originals[name])
