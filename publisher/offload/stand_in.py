"""What Django calls instead of an offloaded receiver: it writes what was sent to the outbox, for the consumer."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import FunctionType
from typing import Any

from django.db import connections
from django.dispatch import Signal

from publisher import conf, counters
from publisher.catalogue.entries import Receiver, call, dereferenced, path_of
from publisher.catalogue.signals import KnownSignal, known_as
from publisher.events.about import about_of
from publisher.events.dispatch import encoded_event, sender_label
from publisher.forwarding import alias_of, to_outbox
from publisher.incidental import is_incidental
from publisher.offload.offloaded import Offloaded, stays_here
from publisher.outbox import migrating
from publisher.outbox.writing import OutboxNotWritten, SentInAsyncCode
from publisher.rules import OWN_APPS, Rule
from publisher.wire.errors import EncoderFailed, NotEncodable
from publisher.wire.routing import QUEUE_MARK

logger = logging.getLogger(__name__)

_running: ContextVar[frozenset[tuple[str, str]]] = ContextVar("running", default=frozenset())


class StandIn:
    """`held` is what Django held of the receiver: itself or a weak reference, which keeps its meaning here."""

    def __init__(self, offloaded: Offloaded, held: Any, known: KnownSignal | None = None) -> None:
        self.offloaded = offloaded
        self.held = held
        self._rule = rule()
        self._known = known
        self._is_known = known is not None

    @property
    def receiver(self) -> Receiver | None:
        """What it stands for; None when that was collected: Django would have left it out."""
        return dereferenced(self.held)

    # Everything by name, since a signal's kwargs may be called anything: `self` too.
    def __call__(self, /, **named: Any) -> Any:
        if (receiver := self.receiver) is None:
            return None
        signal, sender = named.pop("signal"), named.pop("sender")
        label = sender_label(sender)
        if label is not None and label.partition(".")[0] in OWN_APPS:
            return None
        known = self._signal(signal)
        if known is None or stays_here(sender, label, named):
            return call(receiver, signal, sender, named)
        if self._is_echo(sender, named) or self._is_forwarded(known, sender, named):
            return None
        return call(receiver, signal, sender, named)

    def _is_forwarded(self, known: KnownSignal, sender: object, kwargs: Mapping[str, Any]) -> bool:
        """False for what cannot be encoded, or written: its effect is due all the same."""
        service, using = conf.service(), alias_of(sender, kwargs)
        if migrating.is_to_come(connections[using]):
            return False
        try:
            key = self.offloaded.routing_key(service)
            encoded = encoded_event(known, sender, kwargs, self._rule, service, key)
            to_outbox(encoded, self._rule, using)
        except (EncoderFailed, NotEncodable, OutboxNotWritten) as exc:
            # Where the signal tells of a write, that must not commit without its event.
            if isinstance(exc, OutboxNotWritten) and not isinstance(exc, SentInAsyncCode) and not is_incidental(known):
                raise
            if counters.is_news(number := counters.count(counters.NOT_OFFLOADED, self.offloaded.name)):
                logger.error("not offloaded receiver=%s (%d so far): %s", self.offloaded.name, number, exc)
            return False
        return True

    def _is_echo(self, sender: object, kwargs: Mapping[str, Any]) -> bool:
        running = _running.get()
        about = about_of(sender, kwargs, self._rule) if running else None
        return about is not None and (self.offloaded.name, about.subject) in running

    def _signal(self, signal: Signal) -> KnownSignal | None:
        if not self._is_known:
            self._known = known_as(signal)
            self._is_known = True
            if self._known is None:
                logger.warning("not offloaded receiver=%s: its signal has no name", self.offloaded.name)
        return self._known


def function_of(stand_in: StandIn, receiver: Receiver) -> Receiver:
    """What is connected: a function with the receiver's names, since tools that list receivers expect one.

    https://github.com/django-extensions/django-extensions/blob/4.1/django_extensions/management/commands/list_signals.py
    """

    def forward(**named: Any) -> Any:
        return stand_in(**named)

    forward.__module__ = receiver.__module__
    forward.__qualname__ = path_of(receiver).removeprefix(f"{receiver.__module__}.")
    forward.__name__ = forward.__qualname__.rpartition(".")[2]
    vars(forward)["stand_in"] = stand_in
    return forward


def stand_in_of(held: object) -> StandIn | None:
    """The one that a signal calls by what it holds; None where that is no stand-in's function."""
    return vars(held).get("stand_in") if isinstance(held, FunctionType) else None


def rule() -> Rule:
    """What leaves for offloaded receivers. A mask would mislead them: what must not leave they read from the database.

    What nobody listens to yet is kept: its effect is due all the same.
    """
    redact = tuple((name, action if action == "keep" else "drop") for name, action in conf.redact())
    return Rule(signal=QUEUE_MARK, redact=redact, unroutable="keep", strict=conf.is_strict())


@contextmanager
def running(name: str, subject: str | None) -> Iterator[None]:
    """While a receiver runs out of process: what it sends about the same object is no news to it.

    In process its guard (a flag on the instance, a thread's own) ends the recursion; here it would go round for ever.
    """
    token = _running.set(_running.get() | {(name, subject)} if subject else _running.get())
    try:
        yield
    finally:
        _running.reset(token)
