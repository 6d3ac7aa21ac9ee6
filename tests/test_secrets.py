"""What is planted as a secret never crosses the wire; with redaction switched off, it does."""

import logging
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.contrib.sessions.models import Session
from django.core.signals import got_request_exception, setting_changed
from django.db.models.signals import post_save
from django.test import RequestFactory

from publisher import encoders, redaction
from publisher.encoders import column_actions
from publisher.events import dispatch as events
from publisher.relay.relay import Relay
from tests.foo.models import Article
from tests.foo.signals import article_flagged, user_login
from tests.kinds.models import Everything
from tests.wiretap import Wiretap

pytestmark = pytest.mark.django_db(transaction=True)

# Not the word that is listened for in every test: here it crosses on purpose.
SOWN = "sown-secret"
RULES = [
    {"signal": "django.db.models.signals.post_save", "senders": ["sessions.session"]},
    {"signal": "tests.foo.signals.article_flagged", "routing_key": "flagged.{kwargs[api_key]}"},
    {"signal": "*", "traceback": True},
]


@dataclass
class Account:
    name: str
    api_key: str


def send_secrets():
    """By name, in every way that there is."""
    headers = {"Authorization": f"Bearer {SOWN}", "X-Api-Key": SOWN, "Cookie": f"sessionid={SOWN}", "X-CSRFToken": SOWN}
    request = RequestFactory().post(f"/login/?token={SOWN}", {"password": SOWN}, headers=headers)
    user_login_failed.send(sender="auth", credentials={"username": "ada", "password": SOWN}, request=request)
    user_login.send(
        sender=None, request=request, user=None, cookies=request.COOKIES, meta=request.META, post=request.POST
    )
    got_request_exception.send(sender=None, request=request, exception=ValueError(f"bad password={SOWN}"))
    setting_changed.send(sender=None, setting="SECRET_KEY", value=SOWN, enter=True)
    article_flagged.send(sender=Account, api_key=SOWN, account=Account("ada", SOWN), deep=[{"a": ({"token": SOWN},)}])
    Article.objects.create(title="one", api_token=SOWN, data={"credentials": {"user": SOWN}})
    Everything.objects.create(diary=SOWN)
    User.objects.create(username="ada", password=SOWN)
    session = Session(session_key=SOWN, session_data=SOWN)
    post_save.send(sender=Session, instance=session, created=True, raw=False, using="default", update_fields=None)


@pytest.fixture
def switched_off(monkeypatch):
    """Names are no secrets any more."""
    for module in (redaction, column_actions):
        monkeypatch.setattr(module, "is_secret", lambda name: False)
        monkeypatch.setattr(module, "is_secret_column", lambda model, name: False)
    clear()
    yield
    clear()


def clear():
    models = encoders.models
    cached = (
        redaction.action_of,
        redaction.action_of_text,
        redaction.is_secret_text,
        encoders.columns.columns_of,
        events._paths,
        models.key_action,
    )
    for function in cached:
        function.cache_clear()


@pytest.fixture
def tap(broker):
    """For a word of this module's own."""
    if broker.ctl is None:
        pytest.skip("only a broker of our own can be listened to")
    tap = Wiretap(broker.url, SOWN)
    yield tap
    tap.close()


@pytest.fixture
def crossed(tap, bridge, queues, settings):
    """Send, relay, and tell under which keys the word crossed the wire."""
    settings.SIGNAL_BRIDGE = {**bridge, "FORWARD": RULES}
    queues.bind("all", "#")

    def run():
        send_secrets()
        Relay("default").run(once=True)
        leaks = tap.leaks()
        assert tap.heard > 10
        queues.take("all")
        return {leak.key for leak in leaks}

    yield run
    queues.delete("all")


def test_no_secret_crosses_the_wire_nor_is_logged(crossed, caplog):
    with caplog.at_level(logging.DEBUG):
        assert crossed() == set()
    assert SOWN not in caplog.text


def test_secrets_cross_the_wire_when_redaction_is_switched_off(switched_off, crossed):
    keys = " ".join(crossed())
    for key in ("auth.user_login_failed", "flagged.sown-secret", "db.post_save.foo.article", "db.post_save.auth.user"):
        assert key in keys
    assert "core.setting_changed" in keys
    assert "db.post_save.sessions.session" in keys
