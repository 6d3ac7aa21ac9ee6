"""Which receivers can be offloaded, and `Offloaded`, which describes one that is."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from operator import attrgetter
from typing import Any
from zlib import crc32

from django.apps import apps
from django.core.signals import setting_changed
from django.db.backends.signals import connection_created
from django.db.models import Model
from django.db.models.signals import class_prepared, post_init, post_migrate, pre_init, pre_migrate
from django.dispatch import Signal
from django.utils.autoreload import autoreload_started, file_changed

from publisher.catalogue.entries import Receiver, dereferenced
from publisher.offload_entry import OffloadEntry
from publisher.raised import why_not_imported
from publisher.rules import OWN_APPS, SENDERS_UNLESS_NAMED
from publisher.wire.routing import QUEUE_MARK

NAME_BYTES = 100
# Signals whose receivers stay in process: sent for each row read, or before there is an outbox, or their receivers
# have to act at once.
HERE_AND_NOW = (
    pre_init, post_init, class_prepared, pre_migrate, post_migrate, connection_created, setting_changed,
    autoreload_started, file_changed,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Offloaded:
    """A receiver that runs out of process.

    `path` is its path in OFFLOAD; `name` is the same, with a number where several objects share it. `held` is what
    Django had in its list: the receiver or a weak reference. `entry` says how a consumer runs it.
    """

    path: str
    name: str
    held: Any
    entry: OffloadEntry

    @property
    def receiver(self) -> Receiver | None:
        """None when it was garbage collected."""
        return dereferenced(self.held)

    @property
    def handler(self) -> str:
        """The handler's name: the receiver's, shortened where it is too long for a queue."""
        data = self.name.encode()
        return self.name if len(data) <= NAME_BYTES else f"{data[:90].decode(errors='ignore')}~{crc32(data):08x}"

    def routing_key(self, service: str) -> str:
        """A key that leads only to this receiver's queue: no other handler may get what is meant for this receiver."""
        return f"{QUEUE_MARK}{service}.{self.handler}"


def can_be_offloaded(signal: Signal) -> bool:
    return not any(signal is each for each in HERE_AND_NOW)


def means(entry: OffloadEntry, path: str) -> bool:
    """Whether the entry means the receiver at this path."""
    return path == entry.receiver or (entry.is_glob and _is_globbed(path, entry.receiver))


def _is_globbed(path: str, pattern: str) -> bool:
    package = path.partition(".")[0]
    # The process needs Django's own receivers. A glob takes these only if it begins with `django.`.
    is_about_it = package not in OWN_APPS and (package != "django" or pattern.startswith("django."))
    return is_about_it and fnmatchcase(path, pattern)


def stays_here(sender: object, label: str | None, kwargs: Mapping[str, Any]) -> bool:
    """Whether an offloaded receiver is called in process after all: for sessions, fixtures and migrations."""
    if label in SENDERS_UNLESS_NAMED:
        return True
    if not (isinstance(sender, type) and issubclass(sender, Model) and hasattr(sender, "_meta")):
        return False
    # Migrations have models in registries of their own, which no consumer has.
    return kwargs.get("raw") is True or sender._meta.apps is not apps


def unbound(receiver: object) -> object:
    """The function of a bound method or of a partial; anything else is itself."""
    function: object = receiver.func if isinstance(receiver, partial) else receiver
    return getattr(function, "__func__", function)


def is_lambda(function: object) -> bool:
    return getattr(function, "__name__", "") == "<lambda>"


def identity_of(receiver: object) -> tuple[int, int]:
    """What identifies a receiver. Each access to a bound method makes a new object: its parts identify the method."""
    return id(getattr(receiver, "__self__", receiver)), id(getattr(receiver, "__func__", receiver))


def is_named_by(target: object, receiver: object) -> bool:
    """Whether an entry that names `target` means the receiver.

    A function means all its bound methods and partials. A bound method means that of its own object alone.
    """
    inner = receiver.func if isinstance(receiver, partial) else receiver
    return identity_of(target) in map(identity_of, (receiver, inner, unbound(receiver)))


class BrokenModule(ImportError):
    """A module cannot be imported. The message says what it raised, and where."""


def object_at(path: str) -> object:
    """The object at a dotted path. Raises ImportError where there is none; BrokenModule where a module raises."""
    module, _, rest = path.rpartition(".")
    while module and not _is_module(module):
        module, _, last = module.rpartition(".")
        rest = f"{last}.{rest}"
    if not module:
        raise ImportError(f"there is no module at the beginning of {path!r}")
    try:
        holder = import_module(module)
    except Exception as exc:
        raise BrokenModule(f"{module} cannot be imported: {why_not_imported(exc)}") from exc
    try:
        found: object = attrgetter(rest)(holder)
    except AttributeError as exc:
        raise ImportError(str(exc)) from exc
    return found


def _is_module(name: str) -> bool:
    try:
        return name in sys.modules or find_spec(name) is not None
    except (ImportError, ValueError):
        return False
