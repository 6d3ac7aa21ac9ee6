"""Signals that tell of no write: nobody notices the bridge, whatever state the database is in."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.signals import got_request_exception, request_finished, setting_changed
from django.db import close_old_connections, connection, connections
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.signals import connection_created
from django.db.models.signals import post_init
from django.test import Client, override_settings
from django.utils.autoreload import file_changed

from publisher import counters
from publisher.encoders import encodes
from publisher.incidental import own_work
from publisher.models import OutboxEvent
from publisher.outbox.writing import OutboxNotWritten
from publisher.wire.errors import RoutingKeyNotFormed
from publisher.wire.event import decode_event
from tests import services
from tests.databases import execute, named
from tests.foo.models import Article, Tag
from tests.foo.signals import user_login
from tests.stage import ROOT, environment

SECRET = "planted-secret"


def forwarding(*rules, **more):
    return override_settings(SIGNAL_BRIDGE={"FORWARD": list(rules), **more})


def written():
    return [decode_event(bytes(row.body), row.routing_key) for row in OutboxEvent.objects.all()]


def test_signals_are_sent_when_a_test_may_not_use_the_database():
    with forwarding("*"):
        got_request_exception.send(sender=None, request=None)
        setting_changed.send(sender=None, setting="A", value=1, enter=True)
        file_changed.send(sender=None, file_path=Path("a"))
        # Of an app: it could tell of anything, but there is no transaction that it could be part of.
        user_login.send(sender=None, user=None)
    assert counters.counts() == {
        ("not written", f"{name}"): 1
        for name in (
            "django.core.signals.got_request_exception", "django.core.signals.setting_changed",
            "django.utils.autoreload.file_changed", "tests.foo.signals.user_login",
        )
    }  # fmt: skip


class Broken(Exception):
    pass


@pytest.mark.django_db(transaction=True)
def test_request_is_answered_when_its_signals_cannot_be_written(client, monkeypatch, caplog):
    def fail(row, using):
        raise Broken(SECRET)

    monkeypatch.setattr("publisher.forwarding.record", fail)
    with forwarding("django.core.signals.*", "django.test.signals.*"):
        for _ in range(12):
            assert client.get("/").status_code == 200
    said = [record.getMessage() for record in caplog.records if "request_started" in record.getMessage()]
    assert [text.rpartition(", ")[2] for text in said] == ["1 so far", "10 so far"]
    assert SECRET not in caplog.text


def raises(sender, **kwargs):
    raise Broken


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("broken", "error"),
    [({"when": f"{__name__}.raises"}, Broken), ({"routing_key": "x.{kwargs[missing]}"}, RoutingKeyNotFormed)],
)
def test_sender_is_told_of_a_broken_rule_when_it_is_strict(broken, error):
    rule = {"signal": "django.core.signals.got_request_exception", **broken}
    with forwarding(rule, STRICT=True), pytest.raises(error):
        got_request_exception.send(sender=None, request=None)
    with forwarding(rule):
        got_request_exception.send(sender=None, request=None)
    assert len(written()) == 1


@pytest.mark.parametrize("strict", [True, False])
def test_sender_goes_on_without_the_outbox_when_the_rule_is_strict(strict, monkeypatch):
    def fail(row, using):
        raise OutboxNotWritten

    monkeypatch.setattr("publisher.forwarding.record", fail)
    with forwarding("django.core.signals.got_request_exception", STRICT=strict):
        got_request_exception.send(sender=None, request=None)
    assert counters.counts() == {("not written", "django.core.signals.got_request_exception"): 1}


@pytest.mark.django_db(transaction=True)
def test_connection_is_told_of_once_and_writing_does_not_go_round():
    with forwarding("django.db.backends.signals.connection_created"):
        connections["default"].close()
        Tag.objects.create(name="a")
    if connection.vendor != "sqlite":  # the one in memory is not closed
        assert [event.type for event in written()] == ["django.db.backends.signals.connection_created"]
    with forwarding("django.db.backends.signals.connection_created"):
        connection_created.send(sender=type(connections["default"]), connection=connections["default"])
        with own_work():
            connection_created.send(sender=type(connections["default"]), connection=connections["default"])
    event = written()[-1]
    assert event.kwargs == {"connection": {"alias": "default", "vendor": connection.vendor}}
    assert event.routing_key == "db.connection_created.django.databasewrapper"


@pytest.mark.django_db(transaction=True)
def test_connection_to_no_database_is_not_told_of():
    """As Django makes to drop a test's database, which a connection that writes would keep open."""
    nowhere = connections["default"].copy(alias=NO_DB_ALIAS)
    with forwarding("django.db.backends.signals.connection_created"):
        connection_created.send(sender=type(connection), connection=nowhere)
    assert written() == []


class Reader:
    """Its encoder reads rows."""


@encodes(Reader)
def encode_reader(encoding, value, path):
    return [encoding.encode(tag.name, f"{path}.{n}") for n, tag in enumerate(Tag.objects.all())]


@pytest.mark.django_db(transaction=True)
def test_rows_read_are_told_of_when_the_rule_names_the_signal_and_reading_does_not_go_round():
    Tag.objects.bulk_create(Tag(name=f"{n}") for n in range(3))
    rule = {"signal": "django.db.models.signals.post_init", "senders": ["foo.tag"]}
    with forwarding(rule):
        assert len(list(Tag.objects.all())) == 3
        assert len(written()) == 3
        assert list(Article.objects.all()) == []
        tag = Tag()
        tag.reader = Reader()
        post_init.send(sender=Tag, instance=tag, reader=Reader())
    assert len(written()) == 5
    assert written()[-1].kwargs["reader"] == ["0", "1", "2"]


@pytest.mark.django_db(transaction=True)
def test_request_is_told_of_before_its_connections_are_closed(client):
    with forwarding("django.core.signals.*"):
        receivers = [entry[1] for entry in request_finished.receivers]
        assert (
            close_old_connections
            in [receiver() if hasattr(receiver, "__callback__") else receiver for receiver in receivers][1:]
        )
        client.get("/?token=planted-secret", headers={"Authorization": SECRET, "Cookie": f"sessionid={SECRET}"})
    started, finished = written()
    assert (started.type, finished.type) == (
        "django.core.signals.request_started", "django.core.signals.request_finished",
    )  # fmt: skip
    assert (started.kwargs["environ"].method, started.kwargs["environ"].path) == ("GET", "/")
    assert finished.kwargs == {}
    assert SECRET not in json.dumps(started.data)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("setting", "value", "arrives"),
    [
        ("DEBUG", True, True),
        ("SECRET_KEY", SECRET, None),
        ("EMAIL_HOST_PASSWORD", SECRET, None),
        ("OPTIONS", {"default": {"PASSWORD": SECRET, "HOST": "h"}}, {"default": {"HOST": "h"}}),
        (
            "CACHES",
            {"default": {"LOCATION": f"redis://:{SECRET}@host/0"}},
            {"default": {"LOCATION": "redis://:***@host/0"}},
        ),
    ],
)
def test_setting_leaves_without_its_secrets(setting, value, arrives):
    with forwarding("django.core.signals.setting_changed"):
        setting_changed.send(sender=None, setting=setting, value=value, enter=True)
    (event,) = written()
    assert event.kwargs.get("value") == arrives
    assert SECRET not in json.dumps(event.data)


def test_thread_is_left_without_a_connection_when_it_had_none(stage):
    """Under ASGI `got_request_exception` is sent in threads where nobody closes one."""
    stage.env["TEST_FORWARD"] = json.dumps(["django.core.signals.got_request_exception"])
    printed = stage.python("""
from concurrent.futures import ThreadPoolExecutor
from django.core.signals import got_request_exception
from django.db import connection
def send():
    got_request_exception.send(None, request=None)
    return connection.connection is None
def send_over_a_connection():
    connection.ensure_connection()
    return send()
with ThreadPoolExecutor() as pool:
    print(pool.submit(send).result(), pool.submit(send_over_a_connection).result())
""")
    assert printed.split() == ["True", "False"]
    assert stage.outbox() == 2


@pytest.mark.django_db(transaction=True)
def test_bridges_own_setting_is_not_told_of():
    with forwarding("django.core.signals.setting_changed"):
        setting_changed.send(sender=None, setting="SIGNAL_BRIDGE", value={"BROKER_URL": SECRET}, enter=True)
    assert written() == []


@pytest.mark.django_db(transaction=True)
def test_templates_and_files_are_told_of(tmp_path):
    with forwarding("django.test.signals.*", "django.utils.autoreload.*"):
        Client().get("/")
        answers = file_changed.send(sender=None, file_path=tmp_path / "a.py")
    events = written()
    assert {event.type for event in events} == {
        "django.test.signals.template_rendered", "django.utils.autoreload.file_changed",
    }  # fmt: skip
    rendered = events[0].kwargs
    assert rendered["template"].endswith(".html")
    assert "csrf_token" in rendered["context"]
    assert events[-1].kwargs == {"file_path": tmp_path / "a.py"}
    # A true answer would keep the reloader from reloading.
    assert not any(answer for _, answer in answers)


@pytest.mark.django_db(transaction=True)
def test_exception_of_a_request_is_told_of(client):
    client.raise_request_exception = False
    with forwarding("django.core.signals.got_request_exception"):
        # Its template is not there.
        response = client.post("/foo/login/", {"username": "ada", "password": SECRET})
    assert response.status_code == 500
    (event,) = written()
    assert (event.kwargs["request"].method, event.kwargs["request"].path) == ("POST", "/foo/login/")
    assert event.sender is None
    assert SECRET not in json.dumps(event.data)


SETTINGS = """
from tests.settings import *
INSTALLED_APPS = [*INSTALLED_APPS, "early"]
SIGNAL_BRIDGE = {**SIGNAL_BRIDGE, "FORWARD": [
    {"signal": "*", "fields": {"auth.User": ["id", "username"]}}, "django.db.models.signals.class_prepared"]}
"""
MIGRATION = """
from django.db import migrations
def write(apps, schema_editor):
    from django.contrib.auth.models import Group
    from tests.foo.signals import user_login
    Group.objects.create(name="real")
    apps.get_model("auth", "Group").objects.create(name="historical")
    user_login.send(sender=None, user=None)
class Migration(migrations.Migration):
    dependencies = [("auth", "__latest__")]
    operations = [migrations.RunPython(write)]
"""


CODE = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", "early", verbosity=0)
call_command("migrate", verbosity=0)
from django.contrib.auth.models import Group
from publisher.models import OutboxEvent
Group.objects.create(name="late")
print(*OutboxEvent.objects.values_list("routing_key", flat=True))
"""


@pytest.fixture
def database_url(request, tmp_path, django_db_blocker):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/early.sqlite3"
        return
    try:
        with django_db_blocker.unblock(), services.postgres() as service:
            execute(service.settings, "CREATE DATABASE early")
            yield named(service.url, "early")
            execute(service.settings, "DROP DATABASE early WITH (FORCE)")
    except services.Unavailable as exc:
        services.give_up(exc)


@pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
def test_database_is_migrated_when_all_is_forwarded(database_url, tmp_path):
    (tmp_path / "early" / "migrations").mkdir(parents=True)
    for name in ("early/__init__.py", "early/migrations/__init__.py"):
        (tmp_path / name).touch()
    (tmp_path / "early/migrations/0001_initial.py").write_text(MIGRATION)
    (tmp_path / "early_settings.py").write_text(SETTINGS)
    env = {**environment(database_url), "DJANGO_SETTINGS_MODULE": "early_settings", "PYTHONPATH": f"{tmp_path}"}
    done = subprocess.run([sys.executable, "-c", CODE], env=env, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    keys = done.stdout.split()
    assert {"db.post_migrate.django.authconfig", "db.post_save.auth.group"} <= set(keys)
    assert keys.count("db.post_save.auth.group") == 1
    assert "publisher" not in done.stdout
