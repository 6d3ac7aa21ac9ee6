"""What surrounds a handler's call: the event as the origin of what the handler sends, and an OpenTelemetry span."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from publisher.wire import spans
from publisher.wire.event import Event
from publisher.wire.origin import current_origin, furthest, originating


class Processing(Protocol):
    """The context managers for the events of one queue."""

    def one(self, event: Event, /) -> AbstractContextManager[None]: ...
    def together(self, events: Sequence[Event], /) -> AbstractContextManager[None]: ...
    def partly_failed(self, exc: BaseException, /) -> None: ...


class Untraced:
    """Without OpenTelemetry there are no spans."""

    one = staticmethod(originating)

    def together(self, events: Sequence[Event]) -> originating:
        return originating(furthest(events))

    def partly_failed(self, exc: BaseException) -> None:
        """There is no span to note it on."""


def processing(queue: str) -> Processing:
    return spans.processing(queue) if spans.are_made() else Untraced()


def current_event() -> Event | None:
    """The event that is being handled, for the handler and what it calls or awaits; None outside of a handler.

    In a batch it is the event with the most hops: events that the handler sends count as caused by it.
    """
    event = current_origin().event
    return event if isinstance(event, Event) else None
