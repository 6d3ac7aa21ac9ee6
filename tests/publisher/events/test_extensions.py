"""EXTENSIONS: what a project adds to the attributes of its events."""

import json
from enum import IntEnum
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models.signals import post_save
from django.utils.translation import gettext_lazy

from consumers.testing import event_from
from publisher.models import OutboxEvent
from publisher.testing import forwarded_events
from publisher.wire.event import ATTRIBUTES
from tests.foo.models import Tag
from tests.foo.signals import user_login

POST_SAVE = "django.db.models.signals.post_save"
PLANTED = "3f6f1c0e9d"
answers = {}


def extensions():
    return answers


def broken():
    raise LookupError(PLANTED)


def in_async_code():
    return {}.get


async def coroutine():
    return {}


@pytest.fixture
def extend(settings):
    """Makes events carry what `answers` then says."""

    def run(*rules, path=f"{__name__}.extensions", **more):
        rules = rules or ("tests.foo.signals.user_login", {"signal": POST_SAVE, "senders": ["foo.Tag"]})
        settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "FORWARD": list(rules), "EXTENSIONS": path, **more}

    answers.clear()
    return run


def test_event_carries_what_the_project_adds(extend):
    extend()
    answers.update(tenant="acme", actor=UUID(int=7), vip=True, level=-3, label=gettext_lazy("x"), nobody=None)
    assert event_from(user_login).extensions == {
        "tenant": "acme", "actor": str(UUID(int=7)), "vip": True, "level": -3, "label": "x",
    }  # fmt: skip


@pytest.mark.django_db
def test_extensions_are_those_of_the_moment_that_the_signal_was_sent(extend):
    extend()
    # The first one is encoded at once, and those that look like it when the transaction commits.
    with forwarded_events() as events, transaction.atomic():
        for tenant in ("acme", "bcme", "ccme"):
            answers["tenant"] = tenant
            Tag.objects.create(name=tenant)
        answers["tenant"] = "later"
    assert [event.extensions for event in events] == [{"tenant": "acme"}, {"tenant": "bcme"}, {"tenant": "ccme"}]
    assert [event.kwargs["instance"].name for event in events] == ["acme", "bcme", "ccme"]


@pytest.mark.django_db(transaction=True)
def test_extensions_are_attributes_of_the_body_beside_all_others(extend):
    extend()
    answers["tenant"] = "acme"
    Tag.objects.create(name="one")
    body = json.loads(bytes(OutboxEvent.objects.get().body))
    assert body["tenant"] == "acme"
    assert body.keys() - ATTRIBUTES == {"tenant"}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("Tenant", "a", "not 'Tenant'"),
        ("tenant_id", "a", "not 'tenant_id'"),
        ("", "a", "not ''"),
        ("a" * 21, "a", "up to 20 small letters and digits"),
        (5, "a", "not 5"),
        ("tenant\n", "a", "not 'tenant\\n'"),
        ("subject", "a", "'subject' is CloudEvents' own, or the bridge's"),
        ("dataschema", "a", "'dataschema' is CloudEvents' own"),
        ("hops", 5, "'hops' is CloudEvents' own"),
        ("tenant", [PLANTED], "not of the type list"),
        ("tenant", 1.5, "not of the type float"),
        ("tenant", 2**31, "32 bits of a CloudEvents integer: make it text"),
        ("tenant", IntEnum("Large", {"NUMBER": 2**31}).NUMBER, "32 bits of a CloudEvents integer: make it text"),
    ],
)
def test_wrong_extension_is_left_out_alone_and_logged(extend, caplog, name, value, says):
    extend()
    answers.update({"actor": "ada", name: value})
    assert event_from(user_login).extensions == {"actor": "ada"}
    (line,) = caplog.messages
    assert says in line
    assert PLANTED not in line
    extend(STRICT=True)
    with pytest.raises(ValueError, match="EXTENSIONS"):
        event_from(user_login)


@pytest.mark.parametrize("path", [f"{__name__}.broken", f"{__name__}.nothing_such", f"{__name__}.in_async_code"])
def test_event_goes_without_where_the_function_fails(extend, caplog, path):
    extend(path=path)
    assert [event_from(user_login).extensions for _ in range(3)] == [{}, {}, {}]
    (line,) = caplog.messages
    assert path in line
    assert PLANTED not in line


@pytest.mark.django_db(transaction=True)
def test_sender_is_told_where_the_function_fails_and_the_rule_is_strict(extend):
    extend({"signal": POST_SAVE, "senders": ["foo.Tag"], "strict": True}, path=f"{__name__}.broken")
    with pytest.raises(LookupError):
        Tag.objects.create(name="one")
    assert not Tag.objects.exists()


def test_routing_key_may_have_an_extension(extend):
    extend({"signal": "tests.foo.signals.user_login", "routing_key": "{extensions[tenant]}.login"})
    answers["tenant"] = "acme"
    assert event_from(user_login).routing_key == "acme.login"
    answers.clear()
    assert event_from(user_login).routing_key == "foo.user_login"


def test_text_that_is_no_unicode_goes_escaped(extend):
    extend()
    answers["tenant"] = "a\ud800"
    assert event_from(user_login).extensions == {"tenant": "a\\ud800"}


def test_none_are_there_where_the_setting_is_left_out():
    assert event_from(post_save, Tag, instance=Tag(pk=1), created=True).extensions == {}
