"""OFFLOAD: takes existing receivers out of the process, without changing them.

A stand-in replaces the receiver in its signal's list. It sends each dispatch, through the outbox, to a queue of that
receiver; a consumer calls the receiver. `Signal.connect` is wrapped, so that receivers that are connected later are
taken too.
"""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial, wraps
from threading import Lock
from typing import Any

from django.db.models import Model
from django.dispatch import Signal

from publisher import atomicity, conf
from publisher.catalogue.entries import Entry, Receiver, drop, entries, path_of, replace
from publisher.catalogue.signals import KnownSignal, catalogue
from publisher.events.source import sender_label
from publisher.offload.offloaded import (
    Offloaded,
    can_be_offloaded,
    identity_of,
    is_lambda,
    is_named_by,
    means,
    object_at,
    stays_here,
    unbound,
)
from publisher.offload.stand_in import StandIn, function_of, stand_in_of
from publisher.offload_entry import OffloadEntry
from publisher.receivers import SAVE_SIGNALS
from publisher.rules import OWN_APPS

_entries: tuple[OffloadEntry, ...] = ()
# The paths of entries, each with the object that it names, which may be defined under another path.
_targets: dict[str, object] = {}
_offloaded: dict[str, Offloaded] = {}
_signals: dict[int, Signal] = {}
_lock = Lock()


def connect() -> None:
    """Replace the receivers that OFFLOAD names now, and put back those that it named before."""
    global _entries
    disconnect()
    _entries = conf.offload()
    if not _entries:
        return
    for entry in _entries:
        # A system check reports receivers that cannot be imported or do not exist.
        with suppress(Exception):
            _targets[entry.receiver] = object_at(entry.receiver)
    watch_connect()
    for known in catalogue():
        take(known.signal, known)


def disconnect() -> None:
    """Put the receivers back in their places."""
    global _entries
    for signal in _signals.values():
        replace(signal, _held_before)
    _entries = ()
    _targets.clear()
    _offloaded.clear()
    _signals.clear()


def watch_connect() -> None:
    """Take receivers that are connected from now on, by wrapping `Signal.connect`, once.

    The wrapper does nothing more than Django while OFFLOAD has no entries.
    """
    if hasattr(Signal.connect, "is_watched"):
        return
    original = Signal.connect

    @wraps(original)
    def connect(self: Signal, *args: Any, **kwargs: Any) -> None:
        if _entries:
            # Django removes dead weak references, but not stand-ins for them. A new receiver at the address of a dead
            # one would seem to be connected already.
            drop(self, _is_collected)
        original(self, *args, **kwargs)
        if _entries:
            take(self)

    connect.is_watched = True  # type: ignore[attr-defined]
    Signal.connect = connect  # type: ignore[method-assign]


def take(signal: Signal, known: KnownSignal | None = None) -> None:
    """Replace the signal's receivers that OFFLOAD names by stand-ins."""
    if not can_be_offloaded(signal) or not replace(signal, partial(_stand_in, known)):
        return
    _signals[id(signal)] = signal
    if signal in SAVE_SIGNALS:
        for entry in entries(signal):
            if stand_in_of(entry.held):
                _make_atomic(entry)


def _is_collected(entry: Entry) -> bool:
    stand_in = stand_in_of(entry.held)
    return stand_in is not None and stand_in.receiver is None


def _held_before(entry: Entry) -> Any:
    stand_in = stand_in_of(entry.held)
    return stand_in and stand_in.held


def all_offloaded() -> tuple[Offloaded, ...]:
    """The receivers that were taken so far."""
    return tuple(_offloaded.values())


def _stand_in(known: KnownSignal | None, entry: Entry) -> Receiver | None:
    receiver = entry.receiver
    if receiver is None or entry.is_the_bridges or stand_in_of(receiver) or (named := _named(receiver)) is None:
        return None
    stand_in = StandIn(_known_as(*named, receiver, entry.held), entry.held, known)
    return function_of(stand_in, receiver)


def _named(receiver: Receiver) -> tuple[str, OffloadEntry] | None:
    """The receiver's path as OFFLOAD has it, and the first entry that means the receiver; None when there is none."""
    path = path_of(receiver)
    if is_lambda(unbound(receiver)):
        return None
    name = next((name for name, target in _targets.items() if is_named_by(target, receiver)), path)
    entry = next((entry for entry in _entries if means(entry, path) or entry.receiver == name), None)
    return None if entry is None else (name, entry)


def _known_as(name: str, how: OffloadEntry, receiver: Receiver, held: Any) -> Offloaded:
    """The Offloaded of this receiver, which is the same for all its signals.

    Where several receivers share one path, their names are numbered from the second on: `path~2`.
    """
    with _lock:
        number = 1
        while True:
            numbered = name if number == 1 else f"{name}~{number}"
            known = _offloaded.get(numbered)
            if known is None or known.receiver is None:
                known = _offloaded[numbered] = Offloaded(path=name, name=numbered, held=held, entry=how)
            if identity_of(known.receiver) == identity_of(receiver):
                return known
            number += 1


def _make_atomic(entry: Entry) -> None:
    for model in models_of(entry):
        atomicity.make_saves_atomic(model)


def models_of(entry: Entry) -> Iterator[type[Model]]:
    """The models whose signals the receiver gets out of process."""
    for model in entry.senders():
        if model._meta.app_label not in OWN_APPS and not stays_here(model, sender_label(model), {}):
            yield model
