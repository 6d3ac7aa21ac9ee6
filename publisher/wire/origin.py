"""The origin of new events: the event whose handler makes them, or a request."""

from collections.abc import Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import NamedTuple, Protocol, TypeVar


class Cause(Protocol):
    """What an event passes on to the events that it causes."""

    @property
    def id(self) -> str: ...
    @property
    def hops(self) -> int: ...
    @property
    def correlationid(self) -> str | None: ...
    @property
    def traceparent(self) -> str | None: ...


AnyCause = TypeVar("AnyCause", bound=Cause)


class Origin(NamedTuple):
    """The attributes that new events inherit, and the event that is being handled, if any.

    `causationid` is that event's id. `hops` counts the events from the first one of the chain, which nothing caused.
    `correlationid` and `traceparent` are those of the request that started the chain.
    """

    causationid: str | None = None
    hops: int = 0
    correlationid: str | None = None
    traceparent: str | None = None
    event: Cause | None = None


NOTHING = Origin()
_origin: ContextVar[Origin | Cause] = ContextVar("origin", default=NOTHING)


def current_origin() -> Origin:
    """The origin of an event that is made now."""
    origin = _origin.get()
    # An event's Origin is made only now, since few of the events that are handled cause others.
    return origin if isinstance(origin, Origin) else origin_in(origin)


class originating:
    """`with originating(origin):` sets the origin of events that are made in the block, also in awaited coroutines."""

    __slots__ = ("_origin", "_token")

    def __init__(self, origin: Origin | Cause) -> None:
        self._origin = origin

    def __enter__(self) -> None:
        self._token = _origin.set(self._origin)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _origin.reset(self._token)


def furthest(events: Sequence[AnyCause]) -> AnyCause:
    """The cause with the most hops: by another, events that cause each other in batches might never reach MAX_HOPS."""
    return max(events, key=lambda event: event.hops)


def origin_in(event: Cause) -> Origin:
    """The origin of events that are made while this event is handled."""
    return Origin(event.id, event.hops + 1, event.correlationid, event.traceparent, event)
