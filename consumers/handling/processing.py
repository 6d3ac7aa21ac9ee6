"""What is around a handler while it runs: what its events come from, and where OpenTelemetry is, a span."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from publisher.wire import spans
from publisher.wire.event import Event
from publisher.wire.origin import current_origin, furthest, originating


class Processing(Protocol):
    """Of one queue."""

    def one(self, event: Event, /) -> AbstractContextManager[None]: ...
    def together(self, events: Sequence[Event], /) -> AbstractContextManager[None]: ...
    def partly_failed(self, exc: BaseException, /) -> None: ...


class Untraced:
    """Without spans."""

    one = staticmethod(originating)

    def together(self, events: Sequence[Event]) -> originating:
        return originating(furthest(events))

    def partly_failed(self, exc: BaseException) -> None:
        """There is no span to say so."""


def processing(queue: str) -> Processing:
    return spans.processing(queue) if spans.are_made() else Untraced()


def current_event() -> Event | None:
    """The event that is being handled here, also for what the handler calls or awaits; None outside of a handler.

    Of a batch it is the one that the events it makes count as caused by: that with the most hops.
    """
    event = current_origin().event
    return event if isinstance(event, Event) else None
