"""Django's own values as they leave: what is sent, and what is not."""

import json
import logging
from decimal import Decimal

import msgspec
import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import QueryDict
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from publisher import counters
from publisher.events.serializers import SignalEncoding
from publisher.redaction import is_secret
from publisher.rules import Rule
from publisher.wire.codec import decode
from publisher.wire.errors import NotEncodable
from tests.foo.models import Article, Draft, Note, Tag
from tests.ids import plain

SECRET = "planted-secret"


class ProxyOfArticle(Article):
    class Meta:
        app_label = "tests"
        proxy = True


def encoding(**rule):
    return SignalEncoding("foo.signals.x", Rule(signal="foo.signals.x", **rule))


def sent(value, **rule):
    """JSON as it is written, and sidecar; nothing planted may be in either."""
    one = encoding(**rule)
    plain = msgspec.json.decode(msgspec.json.encode(one.encode(value, "kwargs.x")))
    assert SECRET not in json.dumps([plain, one.types])
    return plain, one.types


def fields_of(instance, **rule):
    return sent(instance, **rule)[0]["fields"]


def test_model_is_its_label_pk_and_fields():
    article = Article(pk=42, title="one", price=Decimal("9.90"), data={"a": [1]})
    plain, types = sent(article)
    assert (plain["model"], plain["pk"]) == ("foo.article", 42)
    assert plain["fields"] == {
        "id": 42, "title": "one", "price": "9.90", "at": None, "ref": None, "length": None, "raw": "",
        "data": {"a": [1]},
    }  # fmt: skip
    assert types["kwargs.x.fields.price"] == "decimal"


def test_model_has_no_pk_when_it_is_not_saved():
    assert sent(Tag(name="a"))[0] == {"model": "foo.tag", "pk": None, "fields": {"id": None, "name": "a"}}


@pytest.mark.django_db
def test_deferred_fields_are_left_out_and_not_fetched(django_assert_num_queries):
    Article.objects.create(title="one", price="1")
    article = Article.objects.only("title").get()
    with django_assert_num_queries(0):
        assert fields_of(article) == {"id": article.pk, "title": "one"}
    assert article.get_deferred_fields()


def test_fields_are_those_of_the_rule_when_it_names_them():
    article = Article(pk=1, title="one", price=1)
    assert fields_of(article, fields={"foo.article": frozenset({"title"})}) == {"title": "one"}
    assert fields_of(article, fields={"foo.article": frozenset()}) == {}
    assert "price" in fields_of(article, fields={"foo.tag": frozenset({"name"})})


def test_fields_are_without_those_that_the_rule_omits():
    plain, types = sent(Article(pk=1, title="one"), omit_fields={"foo.article": frozenset({"title", "price"})})
    assert {"title", "price"}.isdisjoint(plain["fields"])
    assert (types["kwargs.x.fields.title"], types["kwargs.x.fields.price"]) == ("dropped", "dropped")


def test_secret_field_is_dropped_and_shown_as_dropped():
    plain, types = sent(Article(pk=1, api_token=SECRET))
    assert "api_token" not in plain["fields"]
    assert types["kwargs.x.fields.api_token"] == "dropped"


def test_secret_field_is_sent_when_the_rule_names_it():
    one = encoding(fields={"foo.article": frozenset({"api_token"})})
    assert one.encode(Article(api_token="wanted"), "kwargs.x")["fields"] == {"api_token": "wanted"}


def test_password_of_a_user_stays_here_wherever_the_user_is():
    user = User(pk=1, username="ada", password=SECRET)
    for value in (user, [user], {"a": {"b": (user,)}}, SimpleLazyObject(lambda: user)):
        sent(value)


def test_secret_keys_of_a_mapping_are_dropped_at_any_depth():
    value = {
        "a": 1,
        "Password": SECRET,
        "deep": [{"api_key": SECRET, "b.c": {"auth_token": SECRET}}],
        5: {"pin": SECRET},
    }
    plain, types = sent(value)
    assert "dropped" in types.values()
    assert decode({"x": plain}, types)["x"] == {"a": 1, "deep": [{"b.c": {}}], 5: {}}


def test_secret_keys_are_dropped_when_json_field_or_form_data_has_them():
    sent(Article(data={"credentials": SECRET, "list": [{"session_key": SECRET}]}))
    assert sent(QueryDict(f"a=1&csrfmiddlewaretoken={SECRET}"))[0] == {"a": ["1"]}


@pytest.mark.parametrize(
    "name",
    [
        "password", "PASSWORD", "passwd", "password1", "token", "access_token", "apikey", "api_key", "client_secret",
        "secret", "secrets", "session_key", "session_data", "credentials", "authorization", "csrf_token", "otp",
        "pin", "private_key", "cookie", "signature", "apiKey", "accessToken",
    ],
)  # fmt: skip
def test_name_is_secret_when_it_sounds_like_one(name):
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["title", "author", "passenger", "pinned", "secretary", "session", "key", "salted", "compass", "adopt"]
)
def test_name_is_harmless_when_it_only_looks_like_a_secret(name):
    assert not is_secret(name)


@pytest.fixture
def request_with_secrets():
    request = RequestFactory().post(
        f"/post/?token={SECRET}",
        {"password": SECRET},
        headers={"Authorization": f"Bearer {SECRET}", "X-Api-Key": SECRET, "User-Agent": "agent", "X-Request-ID": "7"},
    )
    request.COOKIES["sessionid"] = SECRET
    request.META["HTTP_COOKIE"] = f"sessionid={SECRET}"
    return request


def test_request_is_its_method_path_harmless_headers_client_and_user(request_with_secrets):
    request_with_secrets.user = User(pk=5, username="ada", password=SECRET)
    plain, types = sent(request_with_secrets)
    assert types == {"kwargs.x": "request"}
    assert plain.pop("headers").items() >= {"User-Agent": "agent", "X-Request-ID": "7"}.items()
    assert plain == {"method": "POST", "path": "/post/", "client": "127.0.0.1", "user": 5}


def test_request_has_no_user_when_nobody_asked_who_it_is(request_with_secrets):
    asked = []
    request_with_secrets.user = SimpleLazyObject(lambda: asked.append(1) or User(pk=5))
    assert sent(request_with_secrets)[0]["user"] is None
    assert not asked
    assert request_with_secrets.user.pk == 5
    assert sent(request_with_secrets)[0]["user"] == 5


@pytest.mark.parametrize("user", [None, AnonymousUser()], ids=plain)
def test_request_has_no_user_when_nobody_is_logged_in(request_with_secrets, user):
    request_with_secrets.user = user
    assert sent(request_with_secrets)[0]["user"] is None


def test_lazy_user_is_the_user():
    assert sent(SimpleLazyObject(lambda: Tag(pk=1, name="a")))[0]["model"] == "foo.tag"


def test_anonymous_user_comes_back():
    plain, types = sent(AnonymousUser())
    assert (plain, types) == (None, {"kwargs.x": "anonymous_user"})
    assert isinstance(decode({"x": plain}, types)["x"], AnonymousUser)


def test_lazy_translation_is_its_text():
    assert sent([gettext_lazy("Yes"), mark_safe("<b>")]) == (["Yes", "<b>"], {})


@pytest.mark.django_db
def test_queryset_is_not_evaluated(django_assert_num_queries):
    with django_assert_num_queries(0):
        plain, types = sent(Tag.objects.filter(name="a"))
    assert (plain, types) == ({"model": "foo.tag"}, {"kwargs.x": "queryset"})


def test_class_is_its_label_or_path():
    assert sent([Tag, Decimal]) == (
        ["foo.tag", "decimal.Decimal"],
        {"kwargs.x.0": "model", "kwargs.x.1": "class"},
    )


class Odd:
    """Nobody knows how to encode it."""


def test_value_without_encoder_raises_and_names_signal_kwarg_and_type_when_the_rule_is_strict():
    with pytest.raises(NotEncodable) as caught:
        encoding(strict=True).encode({"a": [Odd()]}, "kwargs.upload")
    message = str(caught.value)
    assert "foo.signals.x" in message
    assert "kwargs.upload.a.0" in message
    assert "tests.publisher.events.test_serializers.Odd" in message


def test_value_without_encoder_is_projected_counted_and_warned_of_once_a_type(caplog):
    with caplog.at_level(logging.WARNING, "publisher"):
        plain, types = sent([Odd(), Odd()])
        sent(Odd())
    assert plain[0]["type"] == "tests.publisher.events.test_serializers.Odd"
    assert types == {"kwargs.x.0": "repr", "kwargs.x.1": "repr"}
    (record,) = caplog.records
    assert (
        "type=tests.publisher.events.test_serializers.Odd signal=foo.signals.x path=kwargs.x.0" in record.getMessage()
    )
    assert counters.counts() == {("projected", "tests.publisher.events.test_serializers.Odd"): 3}


def test_projection_is_scrubbed_when_the_repr_shows_a_secret():
    class Login:
        def __repr__(self):
            return f"<Login user='ada' password='{SECRET}'>"

    assert sent(Login())[0]["repr"] == "<Login user='ada' password=***>"


class Unspeakable:
    def __repr__(self):
        raise RuntimeError(SECRET)


def test_projection_says_so_when_repr_raises():
    assert sent(Unspeakable())[0]["repr"] == "<repr raised RuntimeError>"


def test_projection_is_short_and_plain_when_repr_is_long():
    class Long:
        def __repr__(self):
            return "\udcff" * 10_000

    text = sent(Long())[0]["repr"]
    assert len(text) == 200
    assert text.isascii()


def test_models_without_secrets_are_sent_whole():
    assert fields_of(Draft(pk=1, text="a")) == {"id": 1, "text": "a"}


def test_fields_of_proxies_and_children_are_those_that_the_rule_leaves_of_their_parents():
    for model in (Article, ProxyOfArticle, Note):
        plain, types = sent(model(pk=1, title="one"), omit_fields={"foo.article": frozenset({"title"})})
        assert "title" not in plain["fields"]
        assert types["kwargs.x.fields.title"] == "dropped"
        chosen = {"foo.article": frozenset({"title"})}
        assert fields_of(model(pk=1, title="one"), fields=chosen) == {"title": "one"}
    nearer = {**chosen, "foo.note": frozenset({"text"})}
    assert fields_of(Note(pk=1, title="one", text="two"), fields=nearer) == {"text": "two"}
