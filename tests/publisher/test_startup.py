"""What waits until every app is ready."""

from types import SimpleNamespace

from publisher import startup


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
