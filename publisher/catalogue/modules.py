"""Which packages modules belong to, and which names their sources assign."""

from __future__ import annotations

import re
import sys
import tokenize
from functools import lru_cache

from django.apps import apps

from publisher.rules import OWN_APPS

ASSIGNED = r"(?m)^(?:class (?P<class>\w+)|(?P<name>\w+)\s*(?::[^=\n]+)?=(?!=)\s*(?P<value>[^\n]*))"


def app_packages() -> frozenset[str]:
    """Top-level packages of the installed apps, as `allauth` of `allauth.account`. Django's apps keep their names."""
    names = (config.name for config in apps.get_app_configs())
    return frozenset(
        name if name.startswith("django.") else name.partition(".")[0]
        for name in names
        if name.partition(".")[0] not in OWN_APPS
    )


def is_within(module: str, package: str) -> bool:
    return not package or f"{module}.".startswith(f"{package}.")


def text_of(path: str) -> str:
    """The text of a source file; empty if it cannot be read."""
    try:
        with tokenize.open(path) as file:
            return file.read()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ""


@lru_cache(maxsize=1024)
def assignments(module: str) -> dict[str, bool]:
    """The names that a module's source assigns at top level: False where it only renames (`a = b`), True otherwise."""
    text = text_of(getattr(sys.modules.get(module), "__file__", None) or "")
    made: dict[str, bool] = {}
    for match in re.finditer(ASSIGNED, text):
        name = match["class"] or match["name"]
        is_made = match["class"] is not None or not re.fullmatch(r"[\w.]+\s*(?:#.*)?", match["value"])
        made[name] = made.get(name, False) or is_made
    return made
