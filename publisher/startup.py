"""Registers checks that are imported when they run, and calls functions once every app's `ready()` has run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, register
from django.utils.module_loading import import_string

_waiting: list[Callable[[], None]] = []


class LazyChecks:
    """Checks by their dotted paths, imported when they run. Most processes never run them, and so start sooner."""

    def __init__(self, *paths: str) -> None:
        self.paths = paths

    def __eq__(self, other: object) -> bool:
        """By the paths. Tests that change INSTALLED_APPS register the checks again, and Django keeps them in a set."""
        return isinstance(other, LazyChecks) and self.paths == other.paths

    def __hash__(self) -> int:
        return hash(self.paths)

    def __call__(self, app_configs: object, **kwargs: Any) -> list[CheckMessage]:
        return [message for path in self.paths for message in import_string(path)(app_configs, **kwargs)]


def register_checks(checks: Mapping[str, tuple[str, ...]], *, deploy: bool = False) -> None:
    """Register checks by tag and dotted paths. With `deploy`, they only run with `check --deploy`."""
    for tag, paths in checks.items():
        register(LazyChecks(*paths), tag, deploy=deploy)


def when_ready(function: Callable[[], None]) -> None:
    """Call the function once every app's `ready()` has run; now, if that is over. First come, first called.

    Django sends no signal then, but sets an event, which is replaced here: https://github.com/django/django/blob/5.2/django/apps/registry.py
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
    """Stands in for `apps.ready_event` until it is set. A wrapper, since gevent's events let nobody replace `set`."""

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
