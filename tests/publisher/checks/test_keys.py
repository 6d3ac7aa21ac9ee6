"""A routing key that can never be formed is told of; one that may be formed is not."""

import pytest

from publisher.catalogue.sending import sent_kwargs
from publisher.catalogue.signals import named
from publisher.checks.keys import SENT_WITH
from publisher.checks.settings import check_settings

SAVE = "django.db.models.signals.post_save"
CUSTOM = "tests.foo.signals.user_login"


@pytest.fixture
def check(settings):
    def run(routing_key, signal=SAVE, **more):
        rule = {"signal": signal, "exclude": ["auth.*"], "routing_key": routing_key, **more}
        settings.SIGNAL_BRIDGE = {"FORWARD": [rule]}
        return [message for message in check_settings(None) if message.is_serious()]

    return run


@pytest.mark.parametrize("signal", [SAVE, CUSTOM, "tests.foo.signals.*", "*"])
@pytest.mark.parametrize(
    ("routing_key", "words"),
    [
        ("x.{kwargs[instance].pk}", "attribute 'pk'"),
        ("x.{kwargs[instance][fields].headline}", "attribute 'headline'"),
        ("x.{kwargs.instance}", "attribute 'instance'"),
        ("x.{kwargs[0]}", "sent without '0'"),
        ("x.{sender.name}", "attribute 'name'"),
        ("x.{sender[name]}", "string indices"),
        ("x.{group:d}", "format code 'd'"),
    ],
)
def test_e009_when_a_key_can_never_be_formed(check, signal, routing_key, words):
    (error,) = check(routing_key, signal)
    assert (error.id, bool(error.hint)) == ("publisher.E009", True)
    assert words in error.msg


def test_hint_shows_how_parts_are_asked_for(check):
    for routing_key in ("{kwargs[instance].pk}", "{kwargs.instance}"):
        (error,) = check(routing_key)
        assert "{kwargs[instance][pk]}" in error.hint


def test_e009_when_a_signal_is_not_sent_with_that(check):
    (error,) = check("x.{kwargs[instanc]}")
    assert (error.id, error.hint) == ("publisher.E009", "Did you mean 'instance'?")
    assert f"{SAVE!r} is sent without 'instanc'" in error.msg
    (error,) = check("x.{kwargs[changes]}")
    assert error.id == "publisher.E009"
    assert check("x.{kwargs[changes]}", changes=True) == []
    (error,) = check("x.{kwargs[created]}", "django.db.models.signals.p*_delete")
    assert error.id == "publisher.E009"


ARTICLES = {"senders": ["foo.Article"]}


@pytest.mark.parametrize(
    ("routing_key", "more", "hint"),
    [
        ("x.{kwargs[instance][fields][titel]}", ARTICLES, "'title'"),
        ("x.{kwargs[instance][pkk]}", ARTICLES, "'pk'"),
        ("x.{kwargs[instance][fields][api_token]}", ARTICLES, None),
        ("x.{kwargs[instance][fields][title]}", {**ARTICLES, "fields": {"foo.Article": ["id"]}}, None),
        ("x.{kwargs[instance][fields][no_such_field]}", {}, None),
    ],
    ids=["misspelt", "no part of an instance", "a secret", "not among the rule's fields", "of no model"],
)
def test_e009_when_no_instance_is_sent_with_that(check, routing_key, more, hint):
    (error,) = check(routing_key, **more)
    assert (error.id, "is sent without" in error.msg) == ("publisher.E009", True)
    assert hint is None or hint in error.hint


@pytest.mark.parametrize("routing_key", ["@blog.index", "@{kwargs[instance][pk]}"])
def test_e009_when_a_key_would_be_a_queues_name(check, routing_key):
    (error,) = check(routing_key)
    assert (error.id, "begins with @" in error.msg) == ("publisher.E009", True)


@pytest.mark.parametrize(
    ("routing_key", "signal"),
    [
        ("{kwargs[instance]}.{kwargs[instance][pk]}.{kwargs[instance][fields][title]!r:>10}", SAVE),
        ("{kwargs[instance][pk].real:05d}", SAVE),
        ("{sender[11]}{subject:.20}{group!s:x>9}", SAVE),
        ("{subject:{kwargs[using]}}", SAVE),
        ("{kwargs[anything]}", CUSTOM),
        ("{kwargs[any._thing]}", CUSTOM),
        ("{kwargs[user][0][more].real}", CUSTOM),
        ("{kwargs[anything]}", "django.contrib.auth.signals.user_logged_in"),
        ("{kwargs[anything]}", "tests.foo.signals.*"),
        ("{kwargs[anything]}", "*"),
        ("{kwargs[created]}", "django.db.models.signals.post_*"),
    ],
)
def test_nothing_is_told_of_a_key_that_may_be_formed(check, routing_key, signal):
    assert check(routing_key, signal) == []


@pytest.mark.parametrize("name", SENT_WITH)
def test_what_is_known_of_a_signal_is_what_its_source_says(name):
    said = set(sent_kwargs(named(name)))
    # Since Django 6.1 that comes with m2m_changed too.
    assert said | {"raw"} == SENT_WITH[name] | {"raw"}
    assert said <= SENT_WITH[name]
