"""What is wrong with handlers that are asked is told: id, offending value, hint."""

import pytest

from consumers import receiver, registry
from consumers.checks.asked import check_asked
from tests.foo.signals import article_flagged, user_login


@pytest.fixture(autouse=True)
def _handlers(monkeypatch, settings):
    monkeypatch.setattr(registry, "_handlers", {})
    settings.SIGNAL_BRIDGE = {"FORWARD": [{"signal": "tests.foo.signals.user_login", "delivery": "ask"}]}


def asked(name, signal=user_login, sender=None):
    receiver(signal, sender=sender, ask=True, name=name)(lambda **kwargs: None)


def test_nothing_is_wrong_when_each_question_has_one_handler():
    asked("a", sender="foo.Article")
    asked("b", sender="foo.Draft")
    asked("c", signal=article_flagged)
    receiver(user_login, name="d")(lambda **kwargs: None)
    assert check_asked(None) == []


@pytest.mark.parametrize("senders", [(None, None), ("foo.Article", None), ("foo.Article", "foo.article")], ids=repr)
def test_e004_when_two_would_answer_one_question(senders):
    for name, sender in zip("ab", senders, strict=True):
        asked(name, sender=sender)
    (error,) = check_asked(None)
    assert (error.id, error.is_serious(), bool(error.hint)) == ("consumers.E004", True, True)


def test_e004_looks_at_each_signal_with_its_own_senders():
    def first(**kwargs): ...

    receiver(user_login, sender="foo.Article", ask=True)(first)
    receiver(article_flagged, sender="foo.Draft", ask=True)(first)
    asked("b", signal=article_flagged, sender="foo.Article")
    assert check_asked(None) == []
    asked("c", signal=article_flagged, sender="foo.Draft")
    assert [error.id for error in check_asked(None)] == ["consumers.E004"]


def test_w001_when_the_rule_does_not_ask(settings):
    settings.SIGNAL_BRIDGE = {"FORWARD": ["tests.foo.signals.*"]}
    asked("a")
    (warning,) = check_asked(None)
    assert (warning.id, bool(warning.hint)) == ("consumers.W001", True)
    assert "tests.foo.signals.user_login" in warning.msg


def test_w001_looks_at_the_rules_for_the_handlers_sender(settings):
    signal = "tests.foo.signals.user_login"
    settings.SIGNAL_BRIDGE = {
        "FORWARD": [
            {"signal": signal, "senders": ["foo.article"]},
            {"signal": signal, "senders": ["foo.tag"], "delivery": "ask"},
        ]
    }
    asked("a", sender="foo.Tag")
    assert check_asked(None) == []
    asked("b", sender="foo.Article")
    assert [warning.id for warning in check_asked(None)] == ["consumers.W001"]
