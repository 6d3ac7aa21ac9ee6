"""Calls a handler's function: with the kwargs of the signal, with the event, or with a list of events."""

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from consumers.bindings import check_bound, known_signal, sender_name
from consumers.coroutines import callable_of, check_done, ends_itself
from consumers.exceptions import InstanceGone, TooManyHops
from consumers.handler import Handler
from consumers.handling import clock
from consumers.instances import fresh, kwargs_of, model_named
from consumers.retry import UnknownType
from publisher import conf
from publisher.catalogue.signals import catalogue
from publisher.wire.event import Event
from publisher.wire.ids import told
from publisher.wire.printable import printable

logger = logging.getLogger(__name__)

HINT = " ".join((TooManyHops.__doc__ or "").split())


class Call:
    """Calls one handler. What depends only on the handler is worked out once, in `__init__`."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self._signals = {known_signal(signal).name: signal for signal in handler.signals}
        self._triggers = {(known_signal(signal).name, sender_name(sender)) for signal, sender in handler.triggers}
        function = handler.function
        self.ends_itself = ends_itself(function)
        self._is_limited = handler.hard_seconds is not None
        self._function = callable_of(function, handler.hard_seconds)

    def takes(self, event: Event) -> bool:
        """Whether the handler is to be called with the event. Raises UnknownType, NotBound and TooManyHops."""
        if not self._is_about(event):
            # Unwanted events may have a key that the handler is bound to. An event with another key came by an older
            # binding: NotBound.
            check_bound(self.handler, event.routing_key)
            return False
        if self.handler.ignore_own and event.source == conf.source():
            return False
        if event.hops and event.hops > (most := conf.max_hops()):
            raise TooManyHops(f"{event.hops} hops, the last from event {event.causationid}; MAX_HOPS is {most}. {HINT}")
        return True

    def _is_about(self, event: Event) -> bool:
        if not self.handler.signals:
            return True
        if event.type not in self._signals:
            if event.type not in self._known_names:
                raise UnknownType(f"no signal is called {event.type!r} here")
            return False
        return not self._triggers.isdisjoint(((event.type, None), (event.type, event.sender)))

    @cached_property
    def _known_names(self) -> frozenset[str]:
        return frozenset(known.name for known in catalogue())

    def __call__(self, event: Event) -> Any:
        """Call the function. Returns what it returns: the answer, for a handler with ask=True; of no use otherwise."""
        if self._is_limited:
            clock.begin()
        if not self.handler.signals:
            return self._checked(self._function(event))
        signal = self._signals[event.type]
        kwargs = {"event": event, **kwargs_of(event, signal)}
        if self.handler.instance == "fresh" and "instance" in kwargs:
            try:
                kwargs["instance"] = fresh(kwargs["instance"])
            except InstanceGone as exc:
                if self.handler.ask:
                    raise  # the sender would take None for the answer
                logger.info("not handled event=%s%s handler=%s: %s", printable(event.id), told(event),
                            self.handler.name, printable(exc))  # fmt: skip
                return None
        return self._checked(self._function(**{**kwargs, "sender": sender_of(event), "signal": signal}))

    def together(self, events: Sequence[Event]) -> None:
        """Call a batch handler."""
        if self._is_limited:
            clock.begin()
        self._checked(self._function(list(events)))

    def _checked(self, result: Any) -> Any:
        if result is not None:
            check_done(result, self.handler.function)
        return result


def sender_of(event: Event) -> Any:
    """The sender as a receiver gets it: an instance, a model class, or a text, such as the label of a class that this
    project does not have.
    """
    sent = event.sender_instance
    if sent is not None:
        return sent
    label = event.sender
    return None if label is None else model_named(label) or label
