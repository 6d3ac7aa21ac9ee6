"""W001 where users leave with signals that no model sends."""

import sys

import pytest

from publisher.checks.settings import check_settings

SHOP = """
from django.dispatch import Signal

paid, packed, sent, asked, locked = Signal(), Signal(), Signal(), Signal(), Signal()
# Arguments: "order", "user"
returned = Signal()

def pay(user, request, order):
    paid.send(sender=None, order=order, by=request.user)
    packed.send(sender=None, order=order, staff_user=order.packer)
    sent.send(sender=None, order=order, by=order.clerk, owner=user.pk, user=user.username)
    locked.send_robust(sender=None, user=user, **{})
"""


@pytest.fixture
def warned(tmp_path, monkeypatch, settings):
    (tmp_path / "shop_of_users.py").write_text(SHOP)
    monkeypatch.syspath_prepend(tmp_path)

    def run(*rules, **more):
        settings.SIGNAL_BRIDGE = {"FORWARD": list(rules), **more}
        return [message for message in check_settings(None) if message.id == "publisher.W001"]

    yield run
    sys.modules.pop("shop_of_users", None)


@pytest.mark.parametrize(
    ("signal", "where"),
    [
        ("shop_of_users.paid", "'by' of shop_of_users.paid"),
        ("shop_of_users.packed", "'staff_user' of shop_of_users.packed"),
        ("shop_of_users.locked", "'user' of shop_of_users.locked"),
        ("shop_of_users.returned", "'user' of shop_of_users.returned"),
        ("tests.foo.signals.*", "'user' of tests.foo.signals.user_login"),
        ("allauth.account.signals.user_signed_up", "'user' of allauth.account.signals.user_signed_up"),
        ("allauth.account.signals.*", "'user' of allauth.account.signals."),
    ],
)
def test_w001_when_a_signal_is_sent_with_a_user(warned, signal, where):
    (warning,) = warned(signal)
    assert f"The rule for {signal!r} forwards auth.User, as {where}" in warning.msg
    assert "email" in warning.msg
    assert "'fields': {'auth.User': ['id']}" in warning.hint


@pytest.mark.parametrize(
    "rule",
    [
        {"signal": "shop_of_users.sent"},
        {"signal": "shop_of_users.asked"},
        {"signal": "shop_of_users.paid", "fields": {"auth.User": ["id"]}},
        {"signal": "shop_of_users.paid", "redact": {"email": "mask", "*_name": "drop"}},
        {"signal": "shop_of_users.paid", "omit_fields": {"auth.User": ["email", "first_name", "last_name"]}},
        {"signal": "allauth.account.signals.*", "fields": {"auth.User": ["id"]}},
    ],
    ids=repr,
)
def test_nobody_is_warned_of_what_is_no_user_or_was_chosen(warned, rule):
    assert warned(rule) == []


def test_w001_is_of_the_rule_that_decides(warned):
    chosen = {"signal": "shop_of_users.*", "fields": {"auth.User": ["id"]}}
    assert warned(chosen, "shop_of_users.paid") == []
    assert len(warned({**chosen, "senders": ["foo.*"]}, "shop_of_users.paid")) == 1
