"""W008 and W009: handlers that wait for what is never sent to them."""

import pytest
from django.apps import apps
from django.contrib.auth.signals import user_logged_in
from django.core.signals import setting_changed
from django.db.models.signals import post_save, pre_save

from consumers import receiver, registry, subscribe
from consumers.checks.handlers import check_handlers
from consumers.registry import handlers
from publisher.raised import LIBRARIES
from publisher.signals import queryset_updated
from tests.foo.models import Article, Tag
from tests.foo.signals import article_flagged, article_published

ASK = {"signal": "tests.foo.signals.article_*", "delivery": "ask"}
SAVES = {"signal": "django.db.models.signals.post_save", "senders": ["foo.Article"]}


@pytest.fixture
def told(settings, monkeypatch):
    """The ids and the words of what the checks say of one handler, under these rules."""
    monkeypatch.setattr(registry, "_handlers", {})

    def told(*decorators, forward=()):
        settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "HANDLERS": [], "FORWARD": list(forward)}
        monkeypatch.setattr("consumers.checks.handlers.handler_modules", lambda: ())
        monkeypatch.setattr("consumers.checks.sent.handler_modules", lambda: (__name__,))

        def handle(sender=None, **kwargs): ...

        for decorator in decorators:
            decorator(handle)
        assert handlers()
        return [(message.id, message.msg, message.hint) for message in check_handlers(None)]

    return told


def test_w008_when_a_signal_is_asked_and_its_handler_is_not(told):
    ((id, message, hint),) = told(receiver(article_flagged), forward=[ASK])
    assert id == "consumers.W008"
    assert "is never called: tests.foo.signals.article_flagged" in message
    assert "ask=True" in hint
    other = {"signal": "tests.foo.signals.article_published", "senders": ["foo.Article"]}
    assert told(receiver([article_flagged, article_published]), forward=[other, ASK]) == []


def test_nothing_is_told_of_a_handler_that_is_asked_or_of_a_signal_that_is_sent(told):
    assert told(receiver(article_flagged, ask=True), forward=[ASK]) == []
    assert told(receiver(article_flagged), forward=["tests.foo.signals.*"]) == []
    assert told(receiver(article_flagged)) == []


@pytest.mark.parametrize("sender", [Tag, "foo.Tag"])
def test_w009_when_no_rule_takes_a_model_of_this_project(told, sender):
    ((id, message, hint),) = told(receiver(post_save, sender=sender), forward=[SAVES])
    assert id == "consumers.W009"
    assert "no rule here takes them" in message
    assert "'foo.tag'" in hint
    ((id, _, _),) = told(receiver(pre_save, sender=Article), forward=[SAVES])
    assert id == "consumers.W009"


def test_w009_when_no_rule_takes_a_signal_of_this_project(told):
    ((id, message, hint),) = told(receiver(article_flagged), forward=[SAVES])
    assert id == "consumers.W009"
    assert "no rule here takes them" in message
    assert hint == "Let a rule of FORWARD take 'tests.foo.signals.article_flagged'."


def test_w009_when_no_rule_takes_the_sender_of_a_signal_of_this_project(told):
    forward = [{"signal": "tests.foo.signals.article_flagged", "senders": ["foo.Article"]}]
    ((id, _, hint),) = told(receiver(article_flagged, sender=Tag), forward=forward)
    assert (id, hint) == (
        "consumers.W009", "Let a rule of FORWARD take 'tests.foo.signals.article_flagged' from its sender.",
    )  # fmt: skip


def test_nothing_is_told_of_a_signal_whose_package_is_installed_from_elsewhere(told, monkeypatch):
    monkeypatch.setattr(apps.get_app_config("foo"), "path", f"{LIBRARIES[1]}/foo")
    assert told(receiver(article_flagged), forward=[SAVES]) == []


@pytest.mark.parametrize(
    ("decorators", "forward"),
    [
        ([receiver(article_flagged)], []),
        ([receiver(article_flagged)], ["tests.foo.signals.article_*"]),
        ([receiver(article_flagged, sender=Tag)], ["tests.foo.*"]),
        ([receiver([article_flagged, article_published])], ["tests.foo.signals.article_published"]),
        ([receiver([article_flagged, user_logged_in])], [SAVES]),
        ([receiver(article_flagged, ask=True)], [SAVES]),
        ([receiver(user_logged_in)], [SAVES]),
        ([receiver(queryset_updated, sender="shop.Order")], [SAVES]),
        ([receiver(setting_changed)], [SAVES]),
        ([receiver(post_save, sender=Article)], [SAVES]),
        ([receiver(post_save, sender=[Article, Tag])], [SAVES]),
        ([receiver(post_save)], [SAVES]),
        ([receiver(post_save, sender="shop.Order")], [SAVES]),
        ([receiver(post_save, sender=Tag)], []),
        ([subscribe("db.post_save.foo.tag")], [SAVES]),
    ],
)
def test_nothing_is_told_where_it_may_be_sent(told, decorators, forward):
    assert told(*decorators, forward=forward) == []


def test_w002_when_a_model_was_swapped(told, settings):
    assert told(receiver(post_save, sender="auth.User")) == []
    settings.AUTH_USER_MODEL = "foo.Article"
    ((id, message, hint),) = told(receiver(post_save, sender="auth.User"))
    assert (id, hint) == ("consumers.W002", "Write 'foo.Article'.")
    assert "is swapped for another model" in message
