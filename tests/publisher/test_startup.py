"""What waits until every app is ready."""

from types import SimpleNamespace

from django.core.checks import Tags, register
from django.core.checks.registry import registry

from publisher import startup
from publisher.apps import CHECKS
from publisher.startup import LazyChecks


class Sealed:
    """An event as gevent's, which takes no other `set`."""

    __slots__ = ("is_set",)

    def set(self):
        self.is_set = True


def test_what_waits_is_called_in_order_when_the_apps_are_ready(monkeypatch):
    event = Sealed()
    apps = SimpleNamespace(ready=False, ready_event=event)
    monkeypatch.setattr(startup, "apps", apps)
    called = []
    startup.when_ready(lambda: called.append((1, event.is_set)))
    startup.when_ready(lambda: called.append((2, event.is_set)))
    assert called == []
    apps.ready_event.set()
    assert called == [(1, True), (2, True)]
    assert apps.ready_event is event


def test_checks_that_are_registered_again_are_run_once():
    paths = CHECKS[Tags.models]
    register(LazyChecks(*paths), Tags.models)
    assert [getattr(check, "paths", ()) for check in registry.registered_checks].count(paths) == 1
