"""Which signals have a receiver of the bridge, and what the sender notices of it: nothing."""

import gc
import sqlite3
import weakref
from contextlib import closing, nullcontext, suppress

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core import serializers
from django.core.serializers.base import DeserializedObject
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.deletion import Collector
from django.db.models.signals import ModelSignal, post_delete, post_init, post_save, pre_save
from django.test import override_settings
from django.utils.functional import SimpleLazyObject

from publisher import counters, receivers
from publisher.catalogue.entries import entries
from publisher.catalogue.signals import catalogue, named
from publisher.events import source
from publisher.forwarding import alias_of
from publisher.models import OutboxEvent
from publisher.rules import Rule
from publisher.wire.codec import encodes
from publisher.wire.errors import EncoderFailed, NotEncodable
from publisher.wire.event import decode_event
from tests.foo.models import Article, Draft, Tag
from tests.foo.signals import Hooks, article_flagged, article_published, user_login


def forwarding(*rules, **more):
    return override_settings(SIGNAL_BRIDGE={"FORWARD": list(rules), **more})


def connected(signal):
    """How many receivers of the bridge a signal has."""
    return sum(entry.is_the_bridges for entry in entries(signal))


def written():
    return [decode_event(bytes(row.body), row.routing_key) for row in OutboxEvent.objects.all()]


def test_no_signal_has_a_receiver_when_no_rule_takes_it():
    with forwarding("tests.foo.signals.user_login"):
        forwarded = {known.name for known in catalogue() if connected(known.signal)}
    # The app's own receiver, which reads the rules again.
    assert forwarded - {"django.core.signals.setting_changed"} == {"tests.foo.signals.user_login"}


def test_receivers_come_and_go_when_settings_are_overridden():
    before = [list(signal.receivers) for signal in (article_flagged, post_save)]
    with forwarding():
        assert connected(user_login) == connected(post_save) == 0
        with forwarding("tests.foo.signals.article_flagged"):
            assert connected(article_flagged) == 1
        assert connected(article_flagged) == 0
    assert [len(signal.receivers) for signal in (article_flagged, post_save)] == [len(each) for each in before]


def test_signal_has_one_receiver_when_several_rules_take_it():
    with forwarding("tests.foo.signals.*", "tests.foo.signals.user_login", "tests.*"):
        assert connected(user_login) == 1
        receivers.connect()
        assert connected(user_login) == 1


def test_model_signal_is_connected_to_the_models_of_its_rules_alone():
    rule = {"signal": "django.db.models.signals.post_save", "senders": ["foo.*"], "exclude": ["foo.Draft"]}
    with forwarding(rule):
        assert post_save.has_listeners(Article)
        assert not post_save.has_listeners(Draft)
        assert not post_save.has_listeners(User)
        assert not pre_save.has_listeners(Article)


@pytest.mark.django_db
def test_all_means_no_signal_per_row_read_nor_the_bridges_own():
    with forwarding("*"):
        assert connected(post_init) == 0
        assert not post_save.has_listeners(OutboxEvent)
        assert not post_save.has_listeners(Session)
        assert post_save.has_listeners(User)
        assert connected(Hooks.closed) == connected(article_published) == 1


def test_signal_is_connected_when_the_rule_names_it_by_an_alias():
    with forwarding("tests.foo.models.article_published"):
        assert connected(article_published) == 1


def test_rows_are_deleted_without_loading_them_when_their_model_is_not_forwarded():
    rule = {"signal": "django.db.models.signals.post_delete", "senders": ["foo.Article"]}
    with forwarding(rule):
        assert Collector(using=DEFAULT_DB_ALIAS, origin=Draft).can_fast_delete(Draft.objects.all())
        assert not Collector(using=DEFAULT_DB_ALIAS, origin=Article).can_fast_delete(Article.objects.all())
        assert post_delete.has_listeners(Article)


@pytest.mark.django_db
def test_save_of_a_model_that_is_not_forwarded_costs_nothing_more(django_assert_num_queries):
    with django_assert_num_queries(1):
        Draft.objects.create(text="a")
    assert Draft.save_base is Tag.__mro__[1].save_base


def test_fixtures_are_saved_as_django_does_when_nothing_is_forwarded():
    with forwarding("django.db.models.signals.post_save"):
        assert hasattr(DeserializedObject.save, "__wrapped__")
    with forwarding():
        assert not hasattr(DeserializedObject.save, "__wrapped__")


NAMES = [
    "args", "kwargs", "name", "named", "sender_name", "known", "rule", "rules", "field", "source", "model", "error",
    "data", "types", "type", "event", "instance", "using", "raw", "created", "user", "request", "value", "path",
    "encoding", "label", "service", "cls", "receiver", "weak", "dispatch_uid", "using_", "class", "None", "a b", "",
]  # fmt: skip


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", NAMES)
def test_signal_is_forwarded_when_a_kwarg_has_this_name(name):
    with forwarding("tests.foo.signals.user_login"):
        answers = user_login.send(None, **{name: "value"})
    assert {answer for _, answer in answers} <= {None}
    (event,) = written()
    assert event.kwargs == {name: "value"}


@pytest.mark.django_db(transaction=True)
def test_signal_is_forwarded_when_its_kwargs_have_all_these_names():
    kwargs = {name: number for number, name in enumerate(NAMES)}
    with forwarding({"signal": "tests.foo.signals.user_login", "when": "tests.publisher.test_receivers.takes_all"}):
        user_login.send_robust(None, **kwargs)
    (event,) = written()
    assert event.kwargs == kwargs


@pytest.mark.django_db(transaction=True)
def test_sender_that_is_text_is_its_own_words():
    rule = {"signal": "tests.foo.signals.user_login", "senders": ["axes", "django.*"]}
    with forwarding(rule):
        for sender in ("Axes", "other", "django.contrib.auth", "Who knows?", "axes"):
            user_login.send(sender)
    rows = [(row.routing_key, decode_event(bytes(row.body)).data["sender"]) for row in OutboxEvent.objects.all()]
    assert rows == [
        ("foo.user_login.axes", "axes"),
        ("foo.user_login.django.contrib.auth", "django.contrib.auth"),
        ("foo.user_login.axes", "axes"),
    ]


def takes_all(sender, **kwargs):
    return True


def is_wanted(sender, **kwargs):
    return kwargs.get("wanted")


@pytest.mark.django_db(transaction=True)
def test_predicate_decides_and_the_next_rule_comes_when_it_says_no():
    signal = "tests.foo.signals.user_login"
    when = f"{__name__}.is_wanted"
    with forwarding(
        {"signal": signal, "when": when, "routing_key": "wanted"}, {"signal": signal, "routing_key": "rest"}
    ):
        user_login.send(None, wanted=True)
        user_login.send(None, wanted=False)
    assert [event.routing_key for event in written()] == ["wanted", "rest"]


def raises(sender, **kwargs):
    raise RuntimeError("the predicate is broken")


@pytest.mark.django_db(transaction=True)
def test_sender_does_not_notice_when_a_predicate_raises():
    with forwarding({"signal": "tests.foo.signals.user_login", "when": f"{__name__}.raises"}):
        assert {answer for _, answer in user_login.send(None)} <= {None}


class Fragile:
    """Its encoder raises."""


@encodes(Fragile)
def encode_fragile(encoding, value, path):
    raise ValueError("planted-secret")


LOGIN = "tests.foo.signals.user_login"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("rule", "more", "fails"),
    [
        ({}, {}, False),
        ({}, {"STRICT": True}, True),
        ({"strict": True}, {}, True),
        ({"strict": False}, {"STRICT": True}, False),
        ({"delivery": "direct"}, {"STRICT": True}, False),
    ],
)
def test_event_is_not_sent_when_an_encoder_raises_and_the_sender_is_told_when_the_rule_is_strict(
    rule, more, fails, caplog
):
    with forwarding({"signal": LOGIN, **rule}, **more):
        with pytest.raises(EncoderFailed) if fails else nullcontext(), transaction.atomic():
            Tag.objects.create(name="a")
            user_login.send(None, odd=Fragile())
        assert written() == []
        assert Tag.objects.exists() is not fails
        if not fails:
            user_login.send(None, odd=Fragile())
            assert counters.counts() == {("encoder failed", LOGIN): 2}
            (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
            assert f"signal={LOGIN} path=kwargs.odd type={__name__}.Fragile" in record.getMessage()
        # A direct one would wait in this process for a broker, and come out in another test.
        if rule.get("delivery") != "direct":
            user_login.send(None, fine=1)
            assert len(written()) == 1
    assert "planted-secret" not in "".join(record.getMessage() for record in caplog.records)


def test_answer_is_that_of_a_rule_that_asks_alone_when_an_encoder_raises():
    for delivery, answer in (("direct", None), ("ask", False)):
        with forwarding({"signal": LOGIN, "delivery": delivery, "on_timeout": False}):
            assert user_login.send(None, odd=Fragile())[-1][1] is answer


@pytest.mark.django_db(transaction=True)
def test_value_without_encoder_fails_the_sender_when_the_project_is_strict():
    with (
        forwarding(LOGIN, STRICT=True),
        pytest.raises(NotEncodable, match=rf"{LOGIN}: kwargs\.odd is a builtins\.object"),
    ):
        user_login.send(None, odd=object())
    with forwarding(LOGIN):
        user_login.send(None, odd=object())
    assert written()[0].kwargs["odd"]["type"] == "builtins.object"


@pytest.mark.django_db(transaction=True)
def test_fixtures_are_not_forwarded_unless_asked_for():
    rule = {"signal": "django.db.models.signals.post_save", "senders": ["foo.*"]}
    with forwarding(rule):
        post_save.send(Article, instance=Article(pk=1), raw=True, using="default")
    assert written() == []
    with forwarding(rule, FORWARD_RAW=True):
        post_save.send(Article, instance=Article(pk=1), raw=True, using="default")
    assert len(written()) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("more", "actions"), [({}, []), ({"FORWARD_RAW": True}, ["pre_add", "post_add"])])
def test_relations_of_fixtures_are_not_forwarded_unless_asked_for(more, actions):
    with forwarding("django.db.models.signals.m2m_changed", **more):
        Tag.objects.create(pk=1, name="a")
        data = [{"model": "foo.article", "pk": 1, "fields": {"title": "x", "tags": [1]}}]
        for fixture in serializers.deserialize("python", data):
            fixture.save()
        assert [event.kwargs["action"] for event in written()] == actions
        Article.objects.get().tags.clear()
    assert len(written()) == len(actions) + 2


@pytest.mark.parametrize(
    ("sender", "kwargs", "alias"),
    [
        (None, {}, "default"),
        (None, {"using": "other"}, "other"),
        (None, {"using": "nowhere"}, "default"),
        (None, {"using": 5}, "default"),
        (Article, {}, "default"),
        (Article, {"instance": Article()}, "default"),
        (Article.from_db("other", ["id"], [1]), {}, "other"),
        (Article, {"instance": Article.from_db("other", ["id"], [1])}, "other"),
        (None, {"instance": "text"}, "default"),
    ],
    ids=map(str, range(9)),
)
def test_alias_is_that_of_the_write(sender, kwargs, alias):
    assert alias_of(sender, kwargs) == alias


class WritesTagsToDefault:
    def db_for_write(self, model, **hints):
        return "default" if model is Tag else None


@pytest.mark.parametrize("lazily", [lambda tag: tag, lambda tag: SimpleLazyObject(lambda: tag)], ids=["itself", "lazy"])
def test_alias_is_where_the_router_writes_when_the_instance_is_read_from_a_replica(lazily, settings):
    tag = lazily(Tag.from_db("other", ["id"], [1]))
    assert alias_of(None, {"instance": tag}) == "other"
    settings.DATABASE_ROUTERS = [WritesTagsToDefault()]
    assert alias_of(None, {"instance": tag}) == alias_of(tag, {}) == "default"
    assert alias_of(None, {"instance": Article.from_db("other", ["id"], [1])}) == "other"


def test_senders_are_none_when_the_signal_is_of_no_model():
    known = named("tests.foo.signals.user_login")
    assert list(receivers.senders_of(known, (Rule(signal=known.name),))) == [None]
    assert not isinstance(known.signal, ModelSignal)


@pytest.mark.django_db(transaction=True)
def test_custom_signal_is_forwarded_whatever_it_calls_raw():
    with forwarding("tests.foo.signals.article_flagged"):
        article_flagged.send(sender=None, raw=True)
    assert [event.kwargs for event in written()] == [{"raw": True}]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sender", ["publisher", "consumers.api"])
def test_text_that_is_called_as_the_bridge_is_a_sender_like_any_other(sender):
    with forwarding("tests.foo.signals.article_flagged"):
        article_flagged.send(sender=sender)
    assert [event.routing_key for event in written()] == [f"foo.article_flagged.{sender}"]


@pytest.mark.django_db(transaction=True)
def test_kwargs_come_as_they_were_sent_when_they_are_called_as_an_instances_parts_are():
    kwargs = {"model": "foo.article", "pk": 3, "fields": {"title": "x"}}
    with forwarding("tests.foo.signals.article_flagged"):
        article_flagged.send(sender=None, **kwargs)
    assert [event.kwargs for event in written()] == [kwargs]


class Unhashable(type):
    __hash__ = None

    def __eq__(cls, other):
        return cls is other


class Odd(metaclass=Unhashable):
    pass


def away():
    raise OSError("planted")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "kwargs",
    [{"sender": Odd()}, {"sender": None, "value": Odd()}, {"sender": None, "email": SimpleLazyObject(away)}],
    ids=["sender", "value", "lazy"],
)
def test_sender_does_not_notice_what_cannot_even_be_looked_at(kwargs):
    with forwarding("tests.foo.signals.article_flagged", REDACT={"email": "hash"}):
        assert [answer for _, answer in article_flagged.send(**kwargs)] == [None]
    assert not written()


@pytest.mark.django_db(transaction=True)
def test_classes_that_are_made_in_requests_are_not_kept(monkeypatch):
    monkeypatch.setattr("publisher.forwarding.MOST_KINDS", 3)
    monkeypatch.setattr("publisher.wire.registry.MOST_TYPES", 3)
    with forwarding("tests.foo.signals.article_flagged"):
        made = []
        for n in range(10):
            kind = type(f"Form{n}", (), {})
            made.append(weakref.ref(kind))
            article_flagged.send(sender=kind, value=kind())
        del kind
        gc.collect()
        # `sender_label` keeps the last 4,096, no more.
        source._label.cache_clear()
        gc.collect()
        assert sum(ref() is not None for ref in made) <= 4


@pytest.fixture
def of_an_app():
    """A receiver as apps connect theirs: before the bridge's."""
    connected = []

    def connect(receiver, signal=post_save, sender=Article):
        signal.connect(receiver, sender=sender)
        connected.append((signal, receiver, sender))
        receivers.connect()

    yield connect
    for signal, receiver, sender in connected:
        signal.disconnect(receiver, sender=sender)


@pytest.mark.django_db(transaction=True)
def test_relations_are_deleted_as_fast_as_without_the_bridge(django_assert_num_queries):
    article = Article.objects.create(title="x")
    article.tags.set([Tag.objects.create(name=name) for name in "abc"])
    with forwarding("django.db.models.signals.post_*"):
        assert not post_delete.has_listeners(Article.tags.through)
        # BEGIN, DELETE, COMMIT.
        with django_assert_num_queries(3):
            article.tags.clear()


@pytest.mark.django_db(transaction=True)
def test_event_of_a_save_comes_before_that_of_a_receiver_which_saves_the_row_once_more(of_an_app):
    def price(instance, created, **kwargs):
        if created:
            again = Article.objects.get(pk=instance.pk)
            again.title = "second"
            again.save()

    of_an_app(price)
    Article.objects.create(title="first")
    told = [(event.kwargs["created"], event.kwargs["instance"].title) for event in written()]
    assert told == [(True, "first"), (False, "second")]


@pytest.mark.django_db(transaction=True)
def test_event_is_there_when_a_receiver_raises_and_the_block_commits(of_an_app):
    def mail(**kwargs):
        raise OSError("no mail server")

    of_an_app(mail)
    with transaction.atomic(), suppress(OSError):
        Article.objects.create(title="kept")
    assert [event.kwargs["instance"].title for event in written()] == ["kept"]


@pytest.mark.django_db(transaction=True)
def test_save_fails_aloud_when_a_receiver_caught_an_error_of_the_database(of_an_app):
    Tag.objects.create(pk=1, name="there")

    def tag(**kwargs):
        with suppress(IntegrityError):
            Tag.objects.create(pk=1, name="again")

    of_an_app(tag)
    with pytest.raises(transaction.TransactionManagementError, match=r"foo.Article is rolled back: a receiver caught"):
        Article.objects.create(title="gone")
    assert not Article.objects.exists()

    def tag_in_a_block(**kwargs):
        with suppress(IntegrityError), transaction.atomic():
            Tag.objects.create(pk=1, name="again")

    post_save.disconnect(tag, sender=Article)
    of_an_app(tag_in_a_block)
    Article.objects.create(title="kept")
    assert Article.objects.get().title == "kept"


@pytest.fixture
def second_connection(transactional_db):
    """A database in memory is gone with its last connection."""
    with closing(sqlite3.connect(connection.settings_dict["NAME"], uri=True)):
        yield
        connection.ensure_connection()


@pytest.mark.usefixtures("second_connection")
def test_save_fails_aloud_when_a_receiver_closed_the_connection(of_an_app):
    def close(**kwargs):
        # Django's own leaves that of a database in memory open.
        BaseDatabaseWrapper.close(connection)

    of_an_app(close)
    with pytest.raises(transaction.TransactionManagementError, match=r"a receiver closed .* connections.close_all"):
        Article.objects.create(title="gone")
    assert not Article.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("signal", "more", "is_one"),
    [
        ("post_save", {"delivery": "direct"}, False),
        ("post_save", {"delivery": "ask"}, False),
        ("post_save", {"delivery": "direct", "changes": True}, True),
        ("pre_save", {"delivery": "direct"}, True),
        ("pre_save", {"delivery": "ask"}, False),
        ("post_save", {}, True),
    ],
)
def test_save_is_one_with_its_events_where_they_are_written_with_it(signal, more, is_one):
    with forwarding({"signal": f"django.db.models.signals.{signal}", "senders": ["foo.Article"], **more}):
        assert ("save_base" in vars(Article)) == is_one
