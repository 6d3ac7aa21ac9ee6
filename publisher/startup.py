"""What starts later than the app: its system checks, and what has to wait until every app's `ready()` has run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, register
from django.utils.module_loading import import_string

_waiting: list[Callable[[], None]] = []


class LazyChecks:
    """The checks at dotted paths, imported when they are run: most processes never do, and start sooner for it."""

    def __init__(self, *paths: str) -> None:
        self.paths = paths

    def __eq__(self, other: object) -> bool:
        """Apps that are set up anew, as by tests with other INSTALLED_APPS, register the same checks again."""
        return isinstance(other, LazyChecks) and self.paths == other.paths

    def __hash__(self) -> int:
        return hash(self.paths)

    def __call__(self, app_configs: object, **kwargs: Any) -> list[CheckMessage]:
        return [message for path in self.paths for message in import_string(path)(app_configs, **kwargs)]


def register_checks(checks: Mapping[str, tuple[str, ...]], *, deploy: bool = False) -> None:
    """By tag, the dotted paths of the checks that have it; with `deploy`, of those for `check --deploy` alone."""
    for tag, paths in checks.items():
        register(LazyChecks(*paths), tag, deploy=deploy)


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
    apps.ready_event = _Telling(apps.ready_event)  # type: ignore[assignment]


class _Telling:
    """In the event's place until it is set: one of gevent's takes no other `set`."""

    def __init__(self, event: Event) -> None:
        self._event = event

    def __getattr__(self, name: str) -> Any:
        return getattr(self._event, name)

    def set(self) -> None:
        apps.ready_event = self._event
        self._event.set()
        waiting = [*_waiting]
        _waiting.clear()
        for function in waiting:
            function()
