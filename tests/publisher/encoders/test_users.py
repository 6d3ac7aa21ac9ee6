"""A user that leaves under a rule which says nothing of users is told of once, where no check could know."""

import pytest
from django.contrib.auth.models import User

from publisher.encoders import users
from publisher.events.serializers import SignalEncoding
from publisher.offload.stand_in import rule as rule_of_offloaded
from publisher.rules import Rule
from tests.planting import UNLOGGED

SAVE = "django.db.models.signals.post_save"
PAID = "shop.signals.order_paid"


@pytest.fixture
def told(monkeypatch, caplog):
    """What is logged when a user is encoded under such a rule."""
    monkeypatch.setattr(users, "_told", set())

    def encode(rule=None, *, path="kwargs.by", user=None, signal=PAID, **given):
        caplog.clear()
        encoding = SignalEncoding(signal, rule or Rule(signal=signal, **given))
        encoding.encode(user or User(pk=1, username="ada", email=f"{UNLOGGED}@example.com"), path)
        return [record.getMessage() for record in caplog.records]

    return encode


def test_user_that_leaves_is_told_of_once_a_rule_with_what_to_write(told):
    (message,) = told()
    for words in (PAID, "kwargs.by", "auth.User", "email", "'fields': {'auth.User': ['id']}", "'redact': {"):
        assert words in message
    assert told() == told(path="kwargs.to") == []
    assert len(told(signal="shop.signals.order_sent")) == 1


def test_deferred_fields_change_nothing_of_that(told):
    user = User.from_db("default", ["id", "username", "email"], [1, "ada", "ada@example.com"])
    assert len(told(user=user)) == 1


def test_user_that_a_model_was_deleted_with_is_told_of(told):
    assert len(told(signal="django.db.models.signals.post_delete", path="kwargs.origin")) == 1


@pytest.mark.parametrize(
    "given",
    [
        {"fields": {"auth.user": frozenset({"id", "email"})}},
        {"omit_fields": {"auth.user": frozenset({"email", "first_name", "last_name"})}},
        {"redact": (("email", "keep"), ("*_name", "mask"))},
        {"signal": SAVE, "path": "kwargs.instance"},
        {"signal": "django.contrib.auth.signals.user_logged_in", "path": "kwargs.user"},
        {"rule": rule_of_offloaded()},
    ],
    ids=["fields", "omit_fields", "redact", "checked instance", "checked user", "offloaded"],
)
def test_nothing_is_told_of_what_was_said_or_checked_or_stays_here(told, given):
    assert told(**given) == []


def test_nothing_is_told_when_the_check_is_silenced(told, settings):
    settings.SILENCED_SYSTEM_CHECKS = ["publisher.W001"]
    assert told() == []
