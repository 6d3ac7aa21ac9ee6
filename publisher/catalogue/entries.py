"""Reads Django's list of a signal's receivers, and replaces receivers in it.

An entry of that list is a tuple: the lookup key, the receiver (or a weak reference to it), in Django 6.1 the sender,
and whether the receiver is a coroutine function.
https://github.com/django/django/blob/5.2/django/dispatch/dispatcher.py
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple
from weakref import ReferenceType

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.apps import apps
from django.db.models import Model
from django.dispatch import Signal

from publisher.catalogue.signals import Uid

Receiver = Callable[..., Any]


class Entry(NamedTuple):
    """One receiver of a signal. `held` is what Django has: the receiver itself, or a weak reference to it."""

    held: Any
    sender_id: int
    uid: object

    @property
    def receiver(self) -> Receiver | None:
        """None when it was garbage collected."""
        return dereferenced(self.held)

    @property
    def is_the_bridges(self) -> bool:
        return isinstance(self.uid, Uid)

    def senders(self) -> Iterator[type[Model]]:
        """The models whose signals the receiver gets: one, all, or none where it is connected to another sender."""
        for model in apps.get_models(include_auto_created=True):
            if self.sender_id in (id(model), id(None)):
                yield model


def entries(signal: Signal) -> list[Entry]:
    return [_entry(row) for row in list(signal.receivers)]


def replace(signal: Signal, choose: Callable[[Entry], Any]) -> bool:
    """Replace each receiver by what `choose` returns; None leaves it. Returns whether any was replaced.

    Position, sender and lookup key stay the same, so disconnecting the receiver disconnects its replacement.
    """
    with signal.lock:
        rows: list[Any] = [_replaced(row, choose(_entry(row))) for row in signal.receivers]
        is_changed = any(new is not old for new, old in zip(rows, signal.receivers, strict=True))
        if is_changed:
            signal.receivers = rows
            signal.sender_receivers_cache.clear()
    return is_changed


def drop(signal: Signal, is_over: Callable[[Entry], bool]) -> None:
    """Disconnect the receivers for which `is_over` is true."""
    with signal.lock:
        rows = [row for row in signal.receivers if not is_over(_entry(row))]
        if len(rows) < len(signal.receivers):
            signal.receivers = rows
            signal.sender_receivers_cache.clear()


def dereferenced(held: Any) -> Receiver | None:
    receiver: Receiver | None = held() if isinstance(held, ReferenceType) else held
    return receiver


def path_of(receiver: Receiver) -> str:
    """`module.function`, `module.Class.method` by the class that defines it, or the class of a callable instance."""
    named = named_by(receiver)
    return f"{named.__module__}.{named.__qualname__}"


def named_by(receiver: Receiver) -> Any:
    """What has the names of the receiver's path: the receiver itself, a partial's function, or an instance's class."""
    named: Any = receiver.func if isinstance(receiver, partial) else receiver
    return named if hasattr(named, "__qualname__") else type(named)


def call(receiver: Receiver, signal: Signal, sender: object, kwargs: Mapping[str, Any]) -> Any:
    """Call a receiver as `Signal.send` does. Waits for the result of a coroutine function."""
    function = async_to_sync(receiver) if iscoroutinefunction(receiver) else receiver
    return function(signal=signal, sender=sender, **kwargs)


def _entry(row: Any) -> Entry:
    (uid, sender_id), held, *_ = row
    return Entry(held, sender_id, uid)


def _replaced(row: Any, held: Any) -> Any:
    if held is None:
        return row
    is_async = iscoroutinefunction(dereferenced(held))
    return (row[0], held, *row[2:-1], is_async)
