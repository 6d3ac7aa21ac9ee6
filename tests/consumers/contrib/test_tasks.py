"""Events as tasks of django.tasks: Django 6's own, or its backport where Django is older."""

import pytest

from consumers import registry, subscribe
from consumers.contrib.tasks import event_of, to_task
from consumers.testing import deliver, event_from
from tests.foo.models import Article
from tests.foo.signals import article_flagged

try:
    from django import tasks

    DUMMY = "django.tasks.backends.dummy.DummyBackend"
except ImportError:
    tasks = pytest.importorskip("django_tasks")
    DUMMY = "django_tasks.backends.dummy.DummyBackend"


@tasks.task()
def look(event):
    """Tasks are found by their path."""


@pytest.mark.django_db
def test_handler_enqueues_a_task_with_the_event(settings, monkeypatch):
    settings.TASKS = {"default": {"BACKEND": DUMMY, "ENQUEUE_ON_COMMIT": False}}
    monkeypatch.setattr(registry, "_handlers", dict(registry._handlers))
    subscribe("foo.#", name="look")(to_task(look))
    event = event_from(article_flagged, instance=Article(pk=1, title="one"))

    assert deliver("look", event).became == "handled"
    assert deliver("look", event).became == "skipped"
    (result,) = tasks.default_task_backend.results
    (sent,) = result.args
    assert (sent["id"], sent["routing_key"]) == (event.id, "foo.article_flagged")
    assert event_of(sent).kwargs["instance"] == Article(pk=1)
    assert event_of(sent) == event
