"""The outbox has to be where the writes are: two checks say when it is not."""

import pytest
from django.core.checks import Tags, run_checks
from django.db import connections
from django.db.models.signals import post_save
from django.utils.module_loading import import_string

from publisher.checks.databases import check_outbox_migrated, check_routers
from publisher.models import OutboxEvent
from tests.databases import without_table
from tests.foo.models import Tag

BOTH = ["default", "other"]

databases = pytest.mark.django_db(databases="__all__", transaction=True)


class NoOutbox:
    """As a router that keeps the bridge's tables on another database."""

    def db_for_write(self, model, **hints):
        return "other"

    def allow_migrate(self, db, app_label, **hints):
        return False if (db, app_label) == ("other", "publisher") else None


def test_router_is_refused_when_it_keeps_the_outbox_from_the_writes(settings):
    assert check_routers(None) == []
    settings.DATABASE_ROUTERS = [f"{__name__}.NoOutbox"]
    (error,) = check_routers(None)
    assert (error.id, error.is_serious()) == ("publisher.E013", True)
    assert "'other'" in error.msg
    assert "allow_migrate" in error.hint


class WritesElsewhere:
    """Sends every write to the other database."""

    def db_for_write(self, model, **hints):
        return "other"


@databases
def test_alias_is_refused_when_the_outbox_is_not_migrated_there(settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.WritesElsewhere"]
    assert check_outbox_migrated(None, databases=BOTH) == []
    with without_table(OutboxEvent, "other"):
        (error,) = check_outbox_migrated(None, databases=BOTH)
        assert (error.id, error.is_serious()) == ("publisher.E014", True)
        assert "'other'" in error.msg
        assert error.hint == "Run: manage.py migrate publisher --database other"
        assert "publisher.E014" in [found.id for found in run_checks(databases=BOTH)]


@databases
@pytest.mark.parametrize("command", ["migrate", "migrate_schemas"])
def test_outbox_is_not_found_missing_when_a_command_is_about_to_make_it(settings, monkeypatch, command):
    settings.DATABASE_ROUTERS = [f"{__name__}.WritesElsewhere"]
    monkeypatch.setattr("sys.argv", ["manage.py", command])
    with without_table(OutboxEvent, "other"):
        assert check_outbox_migrated(None, databases=BOTH) == []


@databases
def test_outbox_is_not_found_missing_while_django_tenants_migrates_a_schema(settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.WritesElsewhere"]
    executor = {"__name__": "django_tenants.migration_executors.base"}
    exec("def run_migrations(command):\n    return command()", executor)
    with without_table(OutboxEvent, "other"):
        assert executor["run_migrations"](lambda: check_outbox_migrated(None, databases=BOTH)) == []


def send(sender, **kwargs):
    """A receiver to offload."""


SAVES, LOGIN = "django.db.models.signals.post_save", "tests.foo.signals.user_login"


@databases
@pytest.mark.parametrize(
    ("signal", "bridge", "missing"),
    [
        (None, {"FORWARD": ["django.contrib.auth.signals.user_login_failed"]}, ["default"]),
        (None, {"FORWARD": [{"signal": SAVES, "senders": ["foo.Tag"]}]}, ["other"]),
        (None, {"FORWARD": [{"signal": SAVES, "senders": ["foo.Tag"]}, LOGIN]}, ["other", "default"]),
        (None, {"FORWARD": [{"signal": LOGIN, "delivery": "direct"}, {"signal": SAVES, "delivery": "ask"}]}, []),
        (SAVES, {"OFFLOAD": [f"{__name__}.send"]}, ["other"]),
        (LOGIN, {"OFFLOAD": [f"{__name__}.send"]}, ["default"]),
        (None, {"OFFLOAD": [f"{__name__}.send"]}, []),
    ],
    ids=["login", "model", "both", "not by the outbox", "offloaded of a model", "offloaded of no model", "nothing"],
)
def test_outbox_is_found_missing_where_events_would_be_written(settings, connected, signal, bridge, missing):
    settings.DATABASE_ROUTERS = [f"{__name__}.WritesElsewhere"]
    connected(signal)
    settings.SIGNAL_BRIDGE = bridge
    with without_table(OutboxEvent, "default"), without_table(OutboxEvent, "other"):
        errors = check_outbox_migrated(None, databases=BOTH)
        assert [error.hint.rpartition(" ")[2] for error in errors] == missing


class TagsElsewhere(NoOutbox):
    """One model of an app is written to the other database; all models of another app are, too."""

    def db_for_write(self, model, **hints):
        label = model._meta.label_lower
        return "other" if label == "foo.tag" or label.startswith(("blog.", "auth.")) else None


CUSTOM, LOGGED_IN = "tests.foo.signals.Hooks.closed", "django.contrib.auth.signals.user_logged_in"


@databases
@pytest.mark.parametrize(
    ("rules", "ids"),
    [
        ([CUSTOM], [["publisher.W010"], ["publisher.W011"]]),
        ([{"signal": CUSTOM, "senders": ["foo.Tag"]}], [["publisher.W010"], ["publisher.W011"]]),
        ([{"signal": CUSTOM, "senders": ["foo.Article"]}], [[], []]),
        ([{"signal": CUSTOM, "delivery": "direct"}], [[], []]),
        ([LOGGED_IN], [[], []]),
        (["django.core.signals.request_finished"], [[], []]),
        ([CUSTOM, {"signal": SAVES, "senders": ["foo.Tag"]}], [["publisher.E013"], ["publisher.E014"]]),
    ],
    ids=["of its app", "sender", "another sender", "direct", "no instance", "of no app", "error anyway"],
)
def test_doubt_is_told_when_a_custom_signal_may_be_about_an_instance_of_another_database(settings, rules, ids):
    settings.DATABASE_ROUTERS = [f"{__name__}.TagsElsewhere"]
    settings.SIGNAL_BRIDGE = {"FORWARD": rules}
    with without_table(OutboxEvent, "other"):
        found = [check_routers(None), check_outbox_migrated(None, databases=BOTH)]
    assert [[message.id for message in messages] for messages in found] == ids
    assert check_outbox_migrated(None, databases=BOTH) == []


@pytest.fixture
def connected(settings):
    """Connects the receiver to a signal of this name."""
    signals = []

    def connect(name):
        if name is not None:
            signals.append(import_string(name))
            signals[-1].connect(send, sender=Tag if name == SAVES else None)

    yield connect
    settings.SIGNAL_BRIDGE = {}
    for signal in signals:
        signal.disconnect(send, sender=Tag if signal is post_save else None)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, ["publisher.W013"]),
        ({"transaction_mode": "DEFERRED"}, ["publisher.W013"]),
        ({"transaction_mode": "immediate"}, []),
        ({"transaction_mode": "EXCLUSIVE"}, []),
    ],
    ids=str,
)
def test_sqlite_is_warned_of_at_a_deploy_when_its_writers_do_not_wait(settings, monkeypatch, options, found):
    settings.DATABASE_ROUTERS = [f"{__name__}.WritesElsewhere"]
    monkeypatch.setitem(connections["other"].settings_dict, "OPTIONS", options)

    def those_found(**kwargs):
        return [
            message.id for message in run_checks(tags=[Tags.compatibility], **kwargs) if message.id == "publisher.W013"
        ]

    assert those_found(include_deployment_checks=True) == found
    assert those_found() == []
