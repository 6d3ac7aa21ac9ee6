"""What a handler asks for and never gets is told of before its first event fails."""

import pytest
from django.contrib.auth.signals import user_login_failed
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.dispatch import Signal

from consumers.checks.parameters import check_parameters
from consumers.handler import Handler, triggers_of
from publisher.signals import queryset_updated
from tests.consumers.test_registry import with_client
from tests.foo.models import Article, Tag
from tests.foo.signals import user_login

SAVES = "django.db.models.signals.*"


@pytest.fixture
def told(settings):
    def told(function, *signals, forward=(SAVES,), redact=None, sender=None, **more):
        settings.SIGNAL_BRIDGE = {"FORWARD": list(forward), "REDACT": redact or {}}
        handler = Handler(name="h", function=function, triggers=triggers_of(signals, (sender,)), **more)
        return [
            (message.id, message.msg.partition(" asks for ")[2], message.hint) for message in check_parameters(handler)
        ]

    return told


def test_parameter_that_the_signal_is_not_sent_with(told):
    ((id, message, hint),) = told(lambda sender, order, **kwargs: None, post_save)
    assert (id, message) == ("consumers.W005", "'order', which post_save is not sent with.")
    assert hint == "The signal is sent with created, instance, raw, update_fields, using."
    ((_, message, _),) = told(lambda created, **kwargs: None, post_save, pre_save)
    assert message == "'created', which pre_save is not sent with."
    ((_, message, _),) = told(lambda *, values, pk, **kwargs: None, queryset_updated, forward=())
    assert message == "'pk', which queryset_updated is not sent with."


def test_changes_are_sent_where_a_rule_says_so(told):
    def handle(sender, instance, changes, **kwargs): ...

    ((_, message, hint),) = told(handle, post_save)
    assert message == "'changes', which no rule adds to post_save."
    assert hint == 'Write "changes": True into the rule, or changes=None in the handler.'
    assert told(handle, post_save, forward=[{"signal": SAVES, "changes": True}]) == []
    assert told(handle, post_save, forward=[]) == [], "another service may send it"
    ((_, message, _),) = told(handle, post_delete)
    assert message == "'changes', which post_delete is not sent with."


def audit(sender, instance, changes, **kwargs): ...


DRAFTS = {"signal": SAVES, "senders": ["foo.Article"], "when": "shop.rules.is_draft", "routing_key": "drafts"}
CHANGED = {"signal": SAVES, "changes": True}


def test_changes_that_one_of_the_rules_that_bring_an_event_does_not_add(told):
    for sender in (None, Article, "foo.article"):
        ((id, message, hint),) = told(audit, post_save, forward=[DRAFTS, CHANGED], sender=sender)
        assert (id, message) == ("consumers.W005", "'changes', which not all the rules for post_save add.")
        assert hint == 'Write "changes": True into each rule, or changes=None in the handler.'


@pytest.mark.parametrize(
    ("forward", "sender", "ask"),
    [
        ([DRAFTS, CHANGED], Tag, False),
        ([{**DRAFTS, "changes": True}, CHANGED], Article, False),
        ([CHANGED, DRAFTS], Article, False),
        ([{**DRAFTS, "delivery": "ask"}, CHANGED], Article, False),
        ([DRAFTS, {**CHANGED, "delivery": "ask"}], Article, True),
        ([SAVES], "shop.Order", False),
        ([DRAFTS], Tag, False),
    ],
)
def test_nothing_is_told_of_changes_where_each_rule_that_brings_an_event_adds_them(told, forward, sender, ask):
    assert told(audit, post_save, forward=forward, sender=sender, ask=ask) == []


def test_parameter_that_does_not_leave(told):
    def handle(sender, credentials, **kwargs): ...

    rules = ["django.contrib.auth.signals.*"]
    ((_, message, hint),) = told(handle, user_login_failed, forward=rules)
    assert message == "'credentials', which is not sent: it sounds like a secret, or REDACT names it."
    assert '"redact": {"credentials": "keep"}' in hint
    assert told(handle, user_login_failed, forward=rules, redact={"credentials": "keep"}) == []
    assert len(told(lambda user, **kwargs: None, user_login, forward=["tests.foo.*"], redact={"user": "drop"})) == 1


@pytest.mark.parametrize(
    ("function", "signals"),
    [
        (lambda sender, instance, created, raw, using, update_fields, **kwargs: None, [post_save]),
        (lambda sender, signal, event, order=None, **kwargs: None, [post_save]),
        (lambda *args, **kwargs: None, [post_save]),
        (lambda action, pk_set, reverse, model, **kwargs: None, [m2m_changed]),
        (lambda whatever, **kwargs: None, [user_login]),
        (lambda whatever, **kwargs: None, [Signal()]),
        (lambda event: None, []),
    ],
)
def test_what_may_come_is_left_alone(told, function, signals):
    assert told(function, *signals) == []


def test_parameter_that_a_decorator_gives_is_not_told_of(told):
    @with_client
    def index(sender, instance, client, **kwargs): ...

    assert told(index, post_save) == []


def test_nothing_is_told_of_secrets_while_redact_cannot_be_read(told):
    assert told(lambda sender, created, **kwargs: None, post_save, redact={"email": "encrypt"}) == []
    ((_, message, _),) = told(lambda sender, order, **kwargs: None, post_save, redact={"email": "encrypt"})
    assert message == "'order', which post_save is not sent with."
