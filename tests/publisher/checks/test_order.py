"""A rule that never decides is told of; one that may is not."""

import pytest

from publisher.checks.settings import check_settings

SAVE = "django.db.models.signals.post_save"
CUSTOM = "tests.foo.signals.user_login"
AXES = {"signal": CUSTOM, "senders": ["axes"]}
ARTICLES = {"signal": SAVE, "senders": ["foo.Article"]}


@pytest.fixture
def told(settings):
    def run(*rules):
        settings.SIGNAL_BRIDGE = {"FORWARD": list(rules)}
        return [message for message in check_settings(None) if message.id == "publisher.W005"]

    return run


@pytest.mark.parametrize(
    "rules",
    [
        ("*", ARTICLES),
        (SAVE, ARTICLES),
        (
            {"signal": SAVE, "senders": ["foo.*"]},
            {"signal": "django.db.models.signals.post_[s]ave", "senders": ["foo.A*"]},
        ),
        (
            ARTICLES,
            {"signal": SAVE, "senders": ["foo.Draft"]},
            {"signal": SAVE, "senders": ["foo.Draft", "foo.Article"]},
        ),
        ("tests.foo.signals.*", {"signal": CUSTOM, "routing_key": "logins"}),
        (AXES, {**AXES, "routing_key": "x"}),
        ({**AXES, "senders": ["foo.*"]}, {**AXES, "senders": ["FOO.*", "foo.Tag"], "exclude": ["foo.n*"]}),
        ({"signal": CUSTOM, "exclude": ["foo.*"]}, {"signal": CUSTOM, "exclude": ["foo.*", "bar.*"]}),
    ],
    ids=[
        "of everything",
        "of all models",
        "of globs",
        "of several",
        "of a custom signal",
        "of the same senders",
        "of the same globs",
        "of all but the same",
    ],
)
def test_w005_when_those_before_a_rule_take_all_of_it(told, rules):
    (warning,) = told(*rules)
    assert f"FORWARD'][{len(rules) - 1}]" in warning.msg
    assert warning.hint


@pytest.mark.parametrize(
    "rules",
    [
        (ARTICLES, SAVE),
        ({**ARTICLES, "when": "tests.foo.signals.user_login"}, ARTICLES),
        ({"signal": SAVE, "exclude": ["foo.Article"]}, ARTICLES),
        ("*", {"signal": SAVE, "senders": ["sessions.Session"]}),
        ({"signal": CUSTOM, "senders": ["foo.Article"]}, CUSTOM),
        (ARTICLES, {"signal": "django.db.models.signals.post_*", "senders": ["foo.Article"]}),
        ("*", "django.db.models.signals.pre_init"),
        (AXES, {**AXES, "senders": ["axes", "foo.Tag"]}),
        ({**AXES, "senders": ["ax?s"]}, {**AXES, "senders": ["ax*"]}),
        ({**AXES, "senders": ["foo.*"], "exclude": ["foo.Tag"]}, {**AXES, "senders": ["foo.*"]}),
        (CUSTOM, {**AXES, "senders": ["sessions.Session"]}),
    ],
    ids=[
        "the rest",
        "after a predicate",
        "excluded before",
        "named outright",
        "any sender",
        "other signals",
        "per row",
        "one sender more",
        "more by its glob",
        "excluded from a glob",
        "a session",
    ],
)
def test_nothing_is_told_of_a_rule_that_decides_of_something(told, rules):
    assert told(*rules) == []
