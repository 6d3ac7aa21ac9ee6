"""The catalogue: finds every signal in the loaded modules, and names each by the module that defines it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import NamedTuple

from django.apps import apps
from django.dispatch import Signal

from publisher.catalogue.modules import app_packages, assignments, is_within
from publisher.catalogue.namespaces import signal_at, signals_in, word_at
from publisher.rules import Rule, is_glob

KNOWN_MODULES = (
    "django.core.signals",
    "django.db.models.signals",
    "django.db.backends.signals",
    "django.contrib.auth.signals",
    "django.tasks.signals",
    "django.test.signals",
    "django.utils.autoreload",
    "publisher.signals",
)


# By the id of the signal. The values keep the signals alive, so that no id is used again.
_settled: dict[int, KnownSignal] = {}
_looked_up: ContextVar[dict[str, tuple[KnownSignal, ...]] | None] = ContextVar("looked_up", default=None)


class Uid(NamedTuple):
    """The `dispatch_uid` of a receiver of the bridge. Its type tells it from a project's own, which may be any text."""

    name: str


class KnownSignal:
    """A signal with its name: the module that defines it, and the path inside that module."""

    __slots__ = ("attribute", "module", "signal")

    def __init__(self, *, signal: Signal, module: str, attribute: str) -> None:
        self.signal = signal
        self.module = module
        self.attribute = attribute

    @property
    def name(self) -> str:
        return f"{self.module}.{self.attribute}"

    @property
    def group(self) -> str:
        """The first word of its routing keys."""
        return _group(self.module)

    @property
    def word(self) -> str:
        """The second word of its routing keys."""
        if "." not in self.attribute:
            return self.attribute
        return word_at(sys.modules.get(self.module), self.attribute)


@lru_cache(maxsize=1024)
def _group(module: str) -> str:
    config = apps.get_containing_app_config(module)
    return group_of(module, config.label if config else None)


def group_of(module: str, app_label: str | None) -> str:
    """The first word of a routing key: Django's part (`db`, `auth`, `core`, ...), or the app of the signal."""
    words = module.split(".")
    if words[:2] == ["django", "contrib"] and len(words) > 2:
        return words[2]
    if words[0] == "django" and len(words) > 1:
        return words[1]
    return (app_label or words[0]).lower()


def catalogue(package: str = "") -> tuple[KnownSignal, ...]:
    """All signals, or those that `package` defines; Django's first, then by name.

    First imports the modules that define signals: those of Django and of the installed apps' packages, or only those
    within `package`. To search all modules takes longer than a small project takes to start.
    """
    _load(package)
    places: dict[int, list[KnownSignal]] = {}
    for found in _found_in(_modules_of(package)):
        places.setdefault(id(found.signal), []).append(found)
    known = [min(candidates, key=_distance) for candidates in places.values()]
    _settle(known)
    if package and any(map(_distance, known)):
        # The source does not show that a signal is made here: only the whole catalogue tells which module names it.
        known = [signal for signal in catalogue() if is_within(signal.module, package)]
    return tuple(sorted(known, key=lambda signal: (not signal.module.startswith("django."), signal.name)))


def named(name: str) -> KnownSignal | None:
    """The signal at a dotted path; None when there is none.

    Imports the modules of the path, and others only where the source at the path does not make the signal.
    """
    module_name, _, rest = name.rpartition(".")
    while module_name.strip("."):
        # A module may raise anything; a system check reports that there is no such signal.
        with suppress(Exception):
            signal = signal_at(import_module(module_name), rest)
            return None if signal is None else _canonical(signal, module_name, rest)
        module_name, _, last = module_name.rpartition(".")
        rest = f"{last}.{rest}"
    return None


def known_as(signal: Signal) -> KnownSignal | None:
    """The signal with its name; None if it is in no module.

    Looks first among the signals that were found before, and in the modules that usually define signals. That takes a
    hundredth of the time of the whole catalogue.
    """
    if id(signal) not in _settled:
        _settle(_found_in(_usual_modules()))
    if id(signal) in _settled:
        return _settled[id(signal)]
    return next((known for known in catalogue() if known.signal is signal), None)


def matching(pattern: str) -> tuple[KnownSignal, ...]:
    """The signals that a path or a glob means. Searches only the part of the catalogue that can match."""
    found = _looked_up.get()
    if found is None:
        return _looked_for(pattern)
    if pattern not in found:
        found[pattern] = _looked_for(pattern)
    return found[pattern]


def _looked_for(pattern: str) -> tuple[KnownSignal, ...]:
    if is_glob(pattern):
        return tuple(known for known in catalogue(_package(pattern)) if fnmatchcase(known.name, pattern))
    known = named(pattern)
    return (known,) if known else ()


@contextmanager
def one_look() -> Iterator[None]:
    """Inside the block, each path or glob is looked up once. For code that asks many times and makes no signals."""
    token = _looked_up.set({})
    try:
        yield
    finally:
        _looked_up.reset(token)


def taken_by(rule: Rule) -> tuple[KnownSignal, ...]:
    """The signals that a rule takes. A glob does not take those that must be named outright."""
    # A rule with a path names its signal outright, even if the path is not the name that the catalogue has for it.
    return tuple(known for known in matching(rule.signal) if rule.takes_signal(known.name) or not is_glob(rule.signal))


def takes(rule: Rule, known: KnownSignal) -> bool:
    """Whether the rule takes this signal. Needs no search, unlike `taken_by`."""
    if is_glob(rule.signal) or rule.signal == known.name:
        return rule.takes_signal(known.name)
    # The rule may name the signal by another path that it can be imported from.
    return any(found.signal is known.signal for found in matching(rule.signal))


def _package(pattern: str) -> str:
    """The package or module that contains all signals that the glob can match; empty for all packages."""
    start = re.split(r"[*?\[]", pattern, maxsplit=1)[0].rpartition(".")[0]
    # The last words may be classes in a module.
    while start and start not in sys.modules and not _is_importable(start):
        start = start.rpartition(".")[0]
    return start


def _is_importable(module: str) -> bool:
    with suppress(ImportError, ValueError):
        return find_spec(module) is not None
    return False


def _load(package: str) -> None:
    for module in KNOWN_MODULES:
        # django.tasks exists since Django 6; contrib.auth can be imported only if it is installed.
        with suppress(ImportError, RuntimeError):
            if is_within(module, package):
                import_module(module)
    if not _is_loaded(package):
        # Not at the top: a site needs this module at its start only if a glob means whole packages.
        import_module("publisher.catalogue.sources").import_definitions(package)


def _is_loaded(package: str) -> bool:
    """Whether this is an imported module, and not a package, which may contain further modules."""
    return package in sys.modules and not hasattr(sys.modules[package], "__path__")


def _modules_of(package: str) -> Iterable[str]:
    return (package,) if _is_loaded(package) else [name for name in sys.modules.copy() if is_within(name, package)]


def _usual_modules() -> Iterable[str]:
    return (*KNOWN_MODULES, *(f"{config.name}.signals" for config in apps.get_app_configs()))


def _found_in(names: Iterable[str]) -> Iterator[KnownSignal]:
    """The signals in those of these modules that are loaded."""
    deep = tuple(f"{name}." for name in app_packages())
    for name in names:
        module = sys.modules.get(name)
        # Only under the module's own name, not as `__main__` or under an alias.
        if isinstance(module, ModuleType) and getattr(module, "__name__", None) == name:
            for path, signal in signals_in(module, deep=f"{name}.".startswith(deep)):
                yield KnownSignal(signal=signal, module=name, attribute=path)


def _settle(found: Iterable[KnownSignal]) -> None:
    for known in found:
        if not _distance(known):
            _settled.setdefault(id(known.signal), known)


def _canonical(signal: Signal, module: str, attribute: str) -> KnownSignal:
    known = KnownSignal(signal=signal, module=module, attribute=attribute)
    return known if not _distance(known) else (known_as(signal) or known)


def _distance(known: KnownSignal) -> int:
    """0 if the module's source makes the signal, 1 if it renames it, 2 if it does not assign it, as after an import."""
    made_here = assignments(known.module).get(known.attribute.partition(".")[0])
    return 2 if made_here is None else int(not made_here)
