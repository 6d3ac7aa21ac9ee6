"""What has to wait until every app's `ready()` has run."""

from collections.abc import Callable

from django.apps import apps

_waiting: list[Callable[[], None]] = []


def when_ready(function: Callable[[], None]) -> None:
    """Call it then, or now when that is over. What is asked for first is called first.

    Django has no signal for it, but an event that it sets: https://github.com/django/django/blob/5.2/django/apps/registry.py
    """
    if apps.ready:
        function()
        return
    if not _waiting:
        _watch()
    _waiting.append(function)


def _watch() -> None:
    event = apps.ready_event
    tell = event.set

    def tell_and_call() -> None:
        del event.set
        tell()
        waiting = [*_waiting]
        _waiting.clear()
        for function in waiting:
            function()

    event.set = tell_and_call  # type: ignore[method-assign]
