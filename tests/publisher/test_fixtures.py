"""The fixture that a project's own tests get with the distribution."""

import subprocess
import sys

import pytest
from django.db import connection, transaction

from tests.foo.models import Article
from tests.stage import ROOT


@pytest.mark.django_db
def test_events_are_seen_as_they_are_forwarded(forwarded):
    assert forwarded() == []
    Article.objects.create(title="one")
    assert [event.kwargs["instance"].title for event in forwarded()] == ["one"]
    Article.objects.create(title="two")
    assert [event.kwargs["instance"].title for event in forwarded()] == ["one", "two"]


@pytest.mark.django_db
def test_event_is_not_seen_any_more_when_it_was_rolled_back(forwarded):
    with transaction.atomic():
        Article.objects.create(title="one")
        assert len(forwarded()) == 1
        transaction.set_rollback(True)
    assert forwarded() == []


@pytest.mark.django_db(transaction=True)
def test_committed_events_are_seen(forwarded):
    Article.objects.create(title="one")
    assert len(forwarded()) == 1


@pytest.mark.django_db(databases=["default", "other"])
def test_events_of_another_database_are_seen_when_it_is_named(forwarded):
    Article.objects.create(title="one")
    Article.objects.using("other").create(title="two")
    assert [event.kwargs["instance"].title for event in forwarded()] == ["one"]
    assert [event.kwargs["instance"].title for event in forwarded(using="other")] == ["two"]


def test_database_may_be_used_without_a_mark(forwarded):
    Article.objects.create(title="one")
    assert connection.in_atomic_block
    assert [event.kwargs["instance"].title for event in forwarded()] == ["one"]


def test_database_is_the_one_that_the_test_asks_for(forwarded, transactional_db):
    Article.objects.create(title="one")
    assert not connection.in_atomic_block
    assert len(forwarded()) == 1


def test_plugin_does_not_load_django_before_it_is_used(tmp_path):
    (tmp_path / "test_plain.py").write_text(
        "import sys\n\n\ndef test_plain():\n    assert 'publisher.fixtures' in sys.modules\n"
        "    assert 'publisher.testing' not in sys.modules\n    assert 'pika' not in sys.modules\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:django", "-p", "no:cacheprovider", tmp_path]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
