"""What the events that are made here come from: the event whose handler makes them, or a request."""

from collections.abc import Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import NamedTuple, Protocol, TypeVar


class Cause(Protocol):
    """What an event hands on to those that it causes."""

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
    """`causationid` and `hops` are what events that are made here get, `event` what is being handled, if anything.

    `hops` counts the events between an event and the one that nothing caused; the rest is the first request's.
    """

    causationid: str | None = None
    hops: int = 0
    correlationid: str | None = None
    traceparent: str | None = None
    event: Cause | None = None


NOTHING = Origin()
_origin: ContextVar[Origin | Cause] = ContextVar("origin", default=NOTHING)


def current_origin() -> Origin:
    """What an event that is made now comes from."""
    origin = _origin.get()
    # Worked out now: many an event is handled, and few of them cause others.
    return origin if isinstance(origin, Origin) else origin_in(origin)


class originating:
    """Events that are made inside come from `origin`, or are caused by that event, also in coroutines awaited there."""

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
    """Of several causes the one that counts, or a circle through batches would have no end."""
    return max(events, key=lambda event: event.hops)


def origin_in(event: Cause) -> Origin:
    """What events come from that are made while this one is handled."""
    return Origin(event.id, event.hops + 1, event.correlationid, event.traceparent, event)
