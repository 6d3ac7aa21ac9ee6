"""Makes handlers of the receivers in OFFLOAD. A receiver is called as its signal would call it."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.dispatch import Signal

from consumers.coroutines import callable_of, ends_itself
from consumers.exceptions import ReceiverGone
from consumers.handler import Handler
from consumers.handling.calling import sender_of
from consumers.instances import kwargs_of
from consumers.retry import Backoff, UnknownType
from publisher import conf
from publisher.catalogue.entries import call, path_of
from publisher.catalogue.signals import catalogue
from publisher.offload.offload import all_offloaded
from publisher.offload.offloaded import Offloaded
from publisher.offload.stand_in import running
from publisher.offload_entry import OffloadEntry
from publisher.wire.event import Event


class Runner:
    """The function of the handler of an offloaded receiver. Its event was sent by the receiver's stand-in, which Django
    calls in the web process.
    """

    def __init__(self, offloaded: Offloaded, signals: Mapping[str, Signal]) -> None:
        self.offloaded = offloaded
        self.signals = signals
        self.ends_itself = offloaded.receiver is not None and ends_itself(offloaded.receiver)
        path = path_of(offloaded.receiver) if offloaded.receiver else offloaded.name
        self.__module__, _, self.__qualname__ = path.rpartition(".")

    @property
    def receiver(self) -> Any:
        """The receiver; None if it was connected weakly and is gone."""
        return self.offloaded.receiver

    def __call__(self, event: Event) -> Any:
        receiver = self.receiver
        if receiver is None:
            raise ReceiverGone(self.offloaded.name)
        signal = self.signals.get(event.type)
        if signal is None:
            raise UnknownType(f"no signal is called {event.type!r} here")
        with running(self.offloaded.name, event.subject):
            function = callable_of(receiver, self.offloaded.entry.hard_seconds)
            return call(function, signal, sender_of(event), kwargs_of(event, signal))


def offloaded_handlers() -> Iterator[Handler]:
    """One handler for each offloaded receiver."""
    receivers = all_offloaded()
    signals = {known.name: known.signal for known in catalogue()} if receivers else {}
    for offloaded in receivers:
        key = offloaded.routing_key(conf.service())
        runner = Runner(offloaded, signals)
        yield Handler(
            name=offloaded.handler, function=runner, patterns=(key,), late_inbox=True, **options_of(offloaded.entry)
        )


def options_of(entry: OffloadEntry) -> dict[str, Any]:
    """The options of the handler that the entry sets."""
    named = {
        "retry": None if entry.retry is None else Backoff(delays=entry.retry),
        "concurrency": entry.concurrency,
        "soft_seconds": entry.soft_seconds,
        "hard_seconds": entry.hard_seconds,
    }
    return {"ordered": entry.ordered, **{name: value for name, value in named.items() if value is not None}}
