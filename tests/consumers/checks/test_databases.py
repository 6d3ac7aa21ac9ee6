"""The inbox has to be where handlers look for it: a check says when it is not."""

import pytest
from django.core.checks import run_checks

from consumers import receiver, registry, subscribe
from consumers.checks.databases import check_inbox_migrated
from consumers.models import InboxEvent
from tests.databases import without_table
from tests.foo.signals import user_login

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

BOTH = ["default", "other"]


@pytest.fixture
def alone(monkeypatch, settings):
    """No handlers but those of the test."""
    monkeypatch.setattr(registry, "_handlers", {})
    settings.SIGNAL_BRIDGE = {}


class HandlesElsewhere:
    def db_for_write(self, model, **hints):
        return "other"


def test_alias_is_refused_when_the_inbox_is_not_migrated_there(settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.HandlesElsewhere"]
    assert check_inbox_migrated(None, databases=BOTH) == []
    with without_table(InboxEvent, "other"):
        (error,) = check_inbox_migrated(None, databases=BOTH)
        assert (error.id, error.is_serious()) == ("consumers.E005", True)
        assert "'other'" in error.msg
        assert error.hint == "Run: manage.py migrate consumers --database other"
        assert "consumers.E005" in [found.id for found in run_checks(databases=BOTH)]


@pytest.mark.parametrize(
    ("table", "column", "id"),
    [("consumers_attempt", "ended", "consumers.E005"), ("publisher_parkedevent", "reason", "publisher.E014")],
)
def test_alias_is_refused_when_a_table_there_is_of_an_older_version(stage, table, column, id):
    stage.database.rows(f"ALTER TABLE {table} DROP COLUMN {column}")
    assert id in stage.manage("check", "--database", "default", check=False).stderr


def test_inbox_is_not_looked_for_when_its_alias_is_not_checked():
    with without_table(InboxEvent):
        assert check_inbox_migrated(None) == []
        assert check_inbox_migrated(None, databases=["other"]) == []


def test_inbox_is_not_found_missing_when_migrate_is_about_to_make_it(monkeypatch):
    monkeypatch.setattr("sys.argv", ["manage.py", "migrate"])
    with without_table(InboxEvent):
        assert check_inbox_migrated(None, databases=BOTH) == []


@pytest.mark.usefixtures("alone")
def test_inbox_is_not_found_missing_when_no_handler_needs_it():
    with without_table(InboxEvent):
        assert check_inbox_migrated(None, databases=BOTH) == []
        receiver(user_login, ask=True, name="asked")(lambda **kwargs: None)
        assert check_inbox_migrated(None, databases=BOTH) == []


@pytest.mark.usefixtures("alone")
def test_inbox_is_found_missing_when_a_handler_without_one_notes_what_comes_again():
    subscribe("#", inbox=False, name="twice")(lambda event: None)
    with without_table(InboxEvent):
        (error,) = check_inbox_migrated(None, databases=BOTH)
        assert error.id == "consumers.E005"


def test_module_that_cannot_be_imported_is_the_matter_of_another_check(settings):
    settings.SIGNAL_BRIDGE = {"HANDLERS": ["no.such.module"]}
    with without_table(InboxEvent):
        assert check_inbox_migrated(None, databases=BOTH) == []
