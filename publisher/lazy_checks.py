"""System checks that are imported when they are run: most processes never do, and start sooner for it."""

from collections.abc import Mapping
from typing import Any

from django.core.checks import CheckMessage, register
from django.utils.module_loading import import_string


class LazyCheck:
    """The check at a dotted path."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, app_configs: object, **kwargs: Any) -> list[CheckMessage]:
        found: list[CheckMessage] = import_string(self.path)(app_configs, **kwargs)
        return found


def register_checks(checks: Mapping[str, str]) -> None:
    """Each by its dotted path, with its tag."""
    for path, tag in checks.items():
        register(LazyCheck(path), tag)
