"""What Django calls instead of an offloaded receiver: it writes the dispatch to the outbox, for a consumer."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import FunctionType
from typing import Any

from django.db import connections
from django.dispatch import Signal

from publisher import conf, counters
from publisher.catalogue.entries import Receiver, call, dereferenced, named_by
from publisher.catalogue.signals import KnownSignal, known_as
from publisher.events.about import about_of
from publisher.events.dispatch import encoded_event
from publisher.events.source import sender_label
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
    """Stands for one receiver of one signal. `held` is what Django had: the receiver or a weak reference."""

    def __init__(self, offloaded: Offloaded, held: Any, known: KnownSignal | None = None) -> None:
        self.offloaded = offloaded
        self.held = held
        self._rule = rule()
        self._known = known
        self._is_known = known is not None

    @property
    def receiver(self) -> Receiver | None:
        """The receiver; None when it was garbage collected, and Django would not have called it."""
        return dereferenced(self.held)

    # `self` is positional-only, since a signal may have a kwarg of that name.
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
        """Write the event. False where the receiver has to be called here instead.

        Raises OutboxNotWritten where the write that the signal is about must not commit without the event.
        """
        service, using = conf.service(), alias_of(sender, kwargs)
        if migrating.is_to_come(connections[using]):
            return False
        try:
            key = self.offloaded.routing_key(service)
            encoded = encoded_event(known, sender, kwargs, self._rule, service, key)
            to_outbox(encoded, self._rule, using)
        except (EncoderFailed, NotEncodable, OutboxNotWritten) as exc:
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
    """The function to connect. It has the receiver's names, for tools that list receivers.

    https://github.com/django-extensions/django-extensions/blob/4.1/django_extensions/management/commands/list_signals.py
    """

    def forward(**named: Any) -> Any:
        return stand_in(**named)

    named = named_by(receiver)
    forward.__module__, forward.__qualname__ = named.__module__, named.__qualname__
    forward.__name__ = forward.__qualname__.rpartition(".")[2]
    vars(forward)["stand_in"] = stand_in
    return forward


def stand_in_of(held: object) -> StandIn | None:
    """The stand-in behind an entry of a signal's list; None where the entry is an ordinary receiver."""
    return vars(held).get("stand_in") if isinstance(held, FunctionType) else None


def rule() -> Rule:
    """The rule for the events of offloaded receivers.

    Secrets are dropped, not masked: a receiver would take the mask for the value, but can read a dropped value from the
    database. Events are kept until a consumer has made the queue, since what the receiver does is still due.
    """
    redact = tuple((name, action if action == "keep" else "drop") for name, action in conf.redact())
    return Rule(signal=QUEUE_MARK, redact=redact, unroutable="keep", strict=conf.is_strict())


@contextmanager
def running(name: str, subject: str | None) -> Iterator[None]:
    """Marks that a consumer runs this receiver: signals that it sends about the same object do not reach it again.

    In process, the receiver's own guard, a flag on the instance or in the thread, would end that recursion. Out of
    process, the flag is lost between two calls, and the recursion would go on for ever.
    """
    token = _running.set(_running.get() | {(name, subject)} if subject else _running.get())
    try:
        yield
    finally:
        _running.reset(token)
