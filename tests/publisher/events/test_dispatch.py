"""One dispatch as an event: the labels, the subject, the body."""

import json
import re
from copy import copy
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.db import models
from django.test.utils import isolate_apps
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from publisher.catalogue.signals import named
from publisher.events.about import about_of
from publisher.events.dispatch import encoded_event
from publisher.events.source import sender_label
from publisher.redaction import redacted
from publisher.rule_entry import rule_from
from publisher.rules import Rule
from publisher.testing import forwarded_events
from publisher.wire.codec import encodes
from publisher.wire.errors import EncoderFailed, NotEncodable, RoutingKeyNotFormed
from publisher.wire.event import decode_event
from tests.foo.models import Article, Note, Tag
from tests.ids import plain
from tests.kinds.models import Code, ProxyOfEverything, Status, Ticket

LOGIN = "tests.foo.signals.user_login"
EAST = timezone(timedelta(hours=1))
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


class Size(str, Enum):  # noqa: UP042  (a StrEnum says its value by itself)
    LARGE = "l"


def encoded(sender, path=LOGIN, rule=None, **kwargs):
    return encoded_event(named(path), sender, kwargs, rule or Rule(signal=path), "blog")


@pytest.mark.parametrize(
    ("sender", "label"),
    [
        (None, None),
        (Article, "foo.article"),
        (Article(), "foo.article"),
        (Article.tags.through, "foo.article_tags"),
        (Note, "foo.note"),
        (WSGIHandler, "django.wsgihandler"),
        ("django.contrib.auth", "django.contrib.auth"),
        ("Axes", "axes"),
        (mark_safe("axes"), "axes"),
        ("a b", None),
        ("a.#", None),
        ("a..b", None),
        ("", None),
        ("x" * 101, None),
        (len, "builtins.builtin_function_or_method"),
        (lambda: 1, "builtins.function"),
        (apps.get_app_config("auth"), "django.authconfig"),
        (SimpleLazyObject(lambda: Article()), "foo.article"),
        (SimpleLazyObject(lambda: Note), "foo.note"),
    ],
    ids=plain,
)
def test_sender_is_labelled(sender, label):
    assert sender_label(sender) == label


@pytest.mark.parametrize(
    ("sender", "kwargs", "subject"),
    [
        (Article, {"instance": Article(pk=42)}, "foo.article/42"),
        (None, {"user": User(pk=7)}, "auth.user/7"),
        (None, {"user": SimpleLazyObject(lambda: User(pk=7))}, "auth.user/7"),
        (None, {"instance": Tag(pk=1), "user": User(pk=7)}, "foo.tag/1"),
        (Article(pk=3), {}, "foo.article/3"),
        (Article, {"instance": Article()}, None),
        (Article, {}, None),
        (None, {"instance": "text", "user": None}, None),
    ],
)
def test_subject_is_what_the_event_is_about(sender, kwargs, subject):
    about = about_of(sender, kwargs)
    assert (about and about.subject) == subject


@pytest.mark.parametrize(
    ("kwargs", "rule", "subject"),
    [
        ({"order": Tag(pk=3)}, {}, "foo.tag/3"),
        ({"order": 42, "user": User(pk=7)}, {}, "order/42"),
        ({"order": UUID(int=1)}, {}, "order/00000000-0000-0000-0000-000000000001"),
        ({"order": "a-7"}, {}, "order/a-7"),
        ({"order": 1.5}, {}, "order/1.5"),
        ({"order": Decimal("10.00")}, {}, "order/10"),
        ({"order": Decimal("NaN")}, {}, "order/NaN"),
        ({"order": date(2026, 1, 2)}, {}, "order/2026-01-02"),
        ({"order": datetime(2026, 1, 2, 12, tzinfo=EAST)}, {}, "order/2026-01-02 11:00:00+00:00"),
        ({"order": gettext_lazy("a-7")}, {}, "order/a-7"),
        ({"order": Size.LARGE}, {}, "order/l"),
        ({"order": Status.DRAFT}, {}, f"order/{Status.DRAFT.value}"),
        ({"order": None, "user": User(pk=7)}, {}, "auth.user/7"),
        ({"order": object()}, {}, None),
        ({}, {}, None),
        ({"order": "a-7"}, {"redact": {"order": "mask"}}, f"order/{redacted('hash', 'a-7')}"),
    ],
)
def test_rule_says_which_kwarg_an_event_is_about(kwargs, rule, subject):
    rule = rule_from({"signal": LOGIN, "subject": "order", **rule})
    event = encoded_event(named(LOGIN), None, kwargs, rule, "blog").event
    assert (event.subject, event.partitionkey) == (subject, subject or LOGIN)


@pytest.mark.django_db
def test_rule_says_what_the_saves_of_a_model_are_about(settings):
    rule = {"signal": "django.db.models.signals.post_save", "senders": ["foo.tag"], "subject": "using"}
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "FORWARD": [rule]}
    with forwarded_events() as events:
        Tag.objects.create(name="a")
        Tag.objects.create(name="b")
    assert [event.subject for event in events] == ["using/default"] * 2


@pytest.mark.parametrize(
    ("path", "sender", "key"),
    [
        ("django.db.models.signals.post_save", Article, "db.post_save.foo.article"),
        ("django.db.models.signals.m2m_changed", Article.tags.through, "db.m2m_changed.foo.article_tags"),
        ("django.contrib.auth.signals.user_logged_in", User, "auth.user_logged_in.auth.user"),
        ("django.core.signals.request_finished", WSGIHandler, "core.request_finished.django.wsgihandler"),
        (LOGIN, None, "foo.user_login"),
        ("tests.foo.signals.Hooks.closed", Article(pk=1), "foo.closed.foo.article"),
    ],
)
def test_key_is_the_one_of_signal_and_sender(path, sender, key):
    assert encoded(sender, path).routing_key == key


def test_event_is_what_the_design_says():
    one = encoded(Article, "django.db.models.signals.post_save", instance=Article(pk=4, title="a"), created=True)
    body = json.loads(one.body)
    assert body["source"] == "/blog"
    assert body["type"] == "django.db.models.signals.post_save"
    assert body["subject"] == body["partitionkey"] == "foo.article/4"
    assert body["data"]["sender"] == "foo.article"
    assert body["data"]["kwargs"]["created"] is True
    assert body["data"]["kwargs"]["instance"]["fields"]["title"] == "a"
    assert decode_event(one.body).kwargs["instance"] == Article(pk=4)


@pytest.mark.parametrize(
    ("sender", "partitionkey"), [(Article, "foo.article"), (None, LOGIN), (Article(pk=1), "foo.article/1")]
)
def test_partitionkey_is_the_best_there_is_when_there_is_no_subject(sender, partitionkey):
    assert encoded(sender).event.partitionkey == partitionkey


def test_proxy_has_its_order_in_common_with_its_model():
    one = encoded(ProxyOfEverything, instance=ProxyOfEverything(pk=3)).event
    assert (one.subject, one.partitionkey) == ("kinds.proxyofeverything/3", "kinds.everything/3")


@pytest.mark.parametrize(
    ("instance", "key"),
    [
        (Article(pk="5"), 5), (Article(pk="x"), "x"), (Ticket(pk=UUID(int=7).hex), UUID(int=7)), (Code(pk="05"), "05"),
        (Note(pk="5"), 5),
    ],
    ids=repr,
)  # fmt: skip
def test_key_is_the_columns_however_it_was_given(instance, key):
    event = decode_event(encoded(type(instance), instance=instance).body)
    assert event.subject == event.partitionkey == f"{instance._meta.label_lower}/{key}"
    assert event.kwargs["instance"].pk == key
    assert event.data["kwargs"]["instance"]["pk"] == (key if isinstance(key, int) else str(key))


@isolate_apps("tests.kinds")
def test_composite_key_is_its_columns_however_it_was_given():
    class Seat(models.Model):
        pk = models.CompositePrimaryKey("row", "number")
        row = models.UUIDField()
        number = models.IntegerField()

        class Meta:
            app_label = "kinds"

        def __str__(self):
            return f"{self.row}{self.number}"

    row = UUID(int=7)
    spelled, given = (encoded(Seat, instance=Seat(row=each, number=n)).event for each, n in ((row.hex, "5"), (row, 5)))
    assert (spelled.subject, spelled.partitionkey) == (given.subject, given.partitionkey)
    assert encoded(Seat, instance=Seat(number=5)).event.data["kwargs"]["instance"]["pk"] == [None, 5]


@pytest.mark.parametrize(
    ("field", "given", "key"),
    [
        (
            models.DecimalField(max_digits=8, decimal_places=2, primary_key=True),
            [Decimal(1), "1.0", Decimal("1.00")],
            "1.00",
        ),
        (models.DateTimeField(primary_key=True), [NOON, NOON.astimezone(EAST), NOON.isoformat()], f"{NOON}"),
        (models.CharField(max_length=9, primary_key=True), ["l", Size.LARGE], "l"),
    ],
)
@isolate_apps("tests.kinds")
def test_row_has_one_key_in_whatever_form_its_key_was_given(field, given, key):
    class Keyed(models.Model):
        id = copy(field)

        class Meta:
            app_label = "kinds"

        def __str__(self):
            return str(self.id)

    class Child(Keyed):
        class Meta:
            app_label = "kinds"

    for model in (Keyed, Child):
        signal = "django.db.models.signals.post_save"
        events = [encoded(model, signal, instance=model(pk=each), created=True).event for each in given]
        assert {event.partitionkey for event in events} == {f"{model._meta.label_lower}/{key}"}


def test_secret_kwargs_are_dropped():
    one = encoded(None, password="planted-secret", credentials={"x": "planted-secret"}, ok=1)
    assert b"planted-secret" not in one.body
    assert one.event.data["kwargs"] == {"ok": 1}
    assert one.event.data["types"] == {"kwargs.password": "dropped", "kwargs.credentials": "dropped"}


@pytest.mark.parametrize(
    ("routing_key", "expected"),
    [
        ("moderation.{kwargs[reason]}", "moderation.spam"),
        ("{group}.{signal}.{sender}.x", "foo.user_login.foo.article.x"),
        ("{subject}", "foo.article/1"),
        ("x.{kwargs[other][pk]}", "x.1"),
    ],
)
def test_key_is_the_rules_when_it_has_one(routing_key, expected):
    rule = Rule(signal=LOGIN, routing_key=routing_key)
    assert encoded(Article(pk=1), rule=rule, reason="spam", other=Tag(pk=1)).routing_key == expected


NEVER = ("x.{kwargs[missing]}", "x.{kwargs[password]}", "x.{sender.nothing}", "x.{subject}", "x.{sender}")


@pytest.mark.parametrize("routing_key", [*NEVER, "{kwargs[handle]}"])
def test_key_is_the_default_one_when_the_rules_cannot_be_formed(routing_key, caplog):
    rule = Rule(signal=LOGIN, routing_key=routing_key)
    one = encoded(None, rule=rule, password="planted-secret", handle="@blog.of_a_receiver")
    assert one.routing_key == "foo.user_login"
    assert "routing key not formed" in caplog.text
    assert "planted-secret" not in caplog.text


def test_keys_that_cannot_be_formed_are_told_of_now_and_then(caplog):
    for _ in range(20):
        encoded(None, rule=Rule(signal=LOGIN, routing_key="x.{kwargs[missing]}"))
    assert [record.getMessage().split()[4] for record in caplog.records] == ["1", "10"]


def test_key_that_cannot_be_formed_raises_when_the_rule_is_strict():
    template = "x.{kwargs[missing]}"
    with pytest.raises(RoutingKeyNotFormed) as caught:
        encoded(None, rule=Rule(signal=LOGIN, routing_key=template, strict=True), password="planted-secret", handle="a")
    text = str(caught.value)
    for part in (LOGIN, template, "KeyError: 'missing'", "kwargs: handle", "mend"):
        assert part in text
    assert "planted-secret" not in text
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("routing_key", [*NEVER, "{kwargs[handle]}", "{kwargs[handle]:d}"])
def test_error_names_signal_and_rule_however_the_key_cannot_be_formed(routing_key):
    with pytest.raises(RoutingKeyNotFormed, match=re.escape(f"signal={LOGIN} routing_key={routing_key!r}: ")):
        encoded(None, rule=Rule(signal=LOGIN, routing_key=routing_key, strict=True), handle="@blog.of_a_receiver")


def cyclic():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (cyclic(), [None]),
        ({"z": cyclic(), "password": "planted-secret", "a": Decimal("1")}, {"z": [None], "a": Decimal("1")}),
        (10**5000, 10**5000),
    ],
    ids=["cyclic", "mapping", "huge"],
)
def test_event_goes_whole_when_a_value_contains_itself_or_is_huge(value, arrives):
    one = encoded(Article(pk=1), odd=value, token="planted-secret", price=Decimal("1.50"))
    event = decode_event(one.body)
    assert event.kwargs == {"odd": arrives, "price": Decimal("1.50")}
    assert b"planted-secret" not in one.body


def test_path_of_the_first_is_named_when_a_value_comes_round_again():
    parent = {"name": "parent", "children": []}
    parent["children"].append({"name": "child", "parent": parent})
    twice = Decimal("1.5")
    event = encoded(None, node=parent, twice=[twice, twice]).event
    assert event.data["types"]["kwargs.node.children.0.parent"] == "cycle:kwargs.node"
    assert event.data["kwargs"]["node"]["children"] == [{"name": "child", "parent": None}]
    assert event.data["kwargs"]["twice"] == ["1.5", "1.5"]


def test_value_is_projected_when_it_is_too_deep():
    deep = []
    for _ in range(5000):
        deep = [deep]
    event = encoded(None, deep=deep, price=Decimal("1.5")).event
    assert event.data["types"] == {"kwargs.deep": "repr", "kwargs.price": "decimal"}
    assert event.data["kwargs"]["deep"]["type"] == "builtins.list"


class Fragile:
    """Its encoder raises."""


@encodes(Fragile)
def encode_fragile(encoding, value, path):
    raise ValueError("planted-secret")


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("value", [Fragile(), [{"a": Fragile()}]], ids=["alone", "deep"])
def test_error_names_signal_kwarg_and_type_when_an_encoder_raises(strict, value):
    with pytest.raises(EncoderFailed) as caught:
        encoded(None, rule=Rule(signal=LOGIN, strict=strict), odd=value)
    message = str(caught.value)
    assert f"signal={LOGIN} path=kwargs.odd" in message
    assert "its encoder raised ValueError" in message
    assert "planted-secret" not in message


def test_error_names_the_sender_when_its_encoder_raises():
    with pytest.raises(EncoderFailed, match=r"path=sender_instance type=tests\.foo\.models\.Article"):
        encoded(Article(pk=1, data=Fragile()))


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        ("a\udcff", "a\\udcff"),
        ({"deep": ["\ud800", "ü"]}, {"deep": ["\\ud800", "ü"]}),
        ({"\udcff": Decimal("1.50")}, {"\\udcff": Decimal("1.50")}),
    ],
    ids=["text", "deep", "key"],
)
def test_text_goes_escaped_when_it_is_no_unicode_outside_debug(value, arrives):
    one = encoded(None, odd=value, instance=Tag(pk=1, name="\udcff"), price=Decimal("1.50"))
    kwargs = decode_event(one.body).kwargs
    assert (kwargs["odd"], kwargs["price"], kwargs["instance"].name) == (arrives, Decimal("1.50"), "\\udcff")


def test_subject_goes_escaped_when_it_is_no_unicode():
    one = encoded(None, instance=Tag(pk="\udcff"))
    assert decode_event(one.body).subject == one.event.partitionkey == "foo.tag/\\udcff"


@pytest.mark.parametrize("value", ["\udcff", object()], ids=["surrogate", "object"])
def test_nothing_is_half_written_when_the_rule_is_strict(value):
    with pytest.raises((NotEncodable, ValueError)):
        encoded(None, rule=Rule(signal=LOGIN, strict=True), odd=value)


@pytest.mark.parametrize(
    "value", [{"password": "planted-secret", "odd": "\udcff"}, {"password": "planted-secret", "odd": cyclic()}],
    ids=["surrogate", "cyclic"],
)  # fmt: skip
def test_secrets_stay_here_when_the_values_beside_them_cannot_be_encoded(value, caplog):
    one = encoded(None, data=value, odd="\udcff", user=User(pk=1, password="planted-secret", username="\udcff"))
    assert b"planted-secret" not in one.body
    assert "planted-secret" not in caplog.text
