"""The outbox has to be where the writes are: two checks say when it is not."""

import pytest
from django.core.checks import run_checks
from django.db import connections

from publisher.database_checks import check_outbox_migrated, check_routers
from publisher.models import OutboxEvent


class NoOutbox:
    """As a router that keeps the bridge's tables on another database."""

    def db_for_write(self, model, **hints):
        return "other"

    def allow_migrate(self, db, app_label, **hints):
        return False if (db, app_label) == ("other", "publisher") else None


@pytest.fixture
def unmigrated(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), connections["other"].schema_editor() as editor:
        editor.alter_db_table(OutboxEvent, "publisher_outboxevent", "away")
    yield
    with django_db_blocker.unblock(), connections["other"].schema_editor() as editor:
        editor.alter_db_table(OutboxEvent, "away", "publisher_outboxevent")


def test_router_is_refused_when_it_keeps_the_outbox_from_the_writes(settings):
    assert check_routers(None) == []
    settings.DATABASE_ROUTERS = [f"{__name__}.NoOutbox"]
    (error,) = check_routers(None)
    assert (error.id, error.is_serious()) == ("publisher.E013", True)
    assert "'other'" in error.msg
    assert "allow_migrate" in error.hint


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_alias_is_refused_when_the_outbox_is_not_migrated_there(settings, unmigrated):
    assert check_outbox_migrated(None, databases=["default", "other"]) == []
    settings.DATABASE_ROUTERS = [f"{__name__}.WritesElsewhere"]
    (error,) = check_outbox_migrated(None, databases=["default", "other"])
    assert (error.id, error.is_serious()) == ("publisher.E014", True)
    assert "manage.py migrate publisher --database other" in error.hint
    assert "publisher.E014" in [found.id for found in run_checks(databases=["default", "other"])]


class WritesElsewhere:
    """Sends every write to the other database."""

    def db_for_write(self, model, **hints):
        return "other"
