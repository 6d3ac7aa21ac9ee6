"""What the events that are made here come from: the event whose handler makes them, or a request."""

from contextvars import ContextVar
from types import TracebackType
from typing import NamedTuple, Protocol


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


class Origin(NamedTuple):
    """`hops` counts the events between an event and the one that nothing caused; the rest is the first request's."""

    causationid: str | None = None
    hops: int = 0
    correlationid: str | None = None
    traceparent: str | None = None


NOTHING = Origin()
_origin: ContextVar[Origin] = ContextVar("origin", default=NOTHING)

# Each event that is made asks: no call between.
current_origin = _origin.get


class originating:
    """Events that are made inside come from `origin`, also in coroutines that are awaited there."""

    __slots__ = ("_origin", "_token")

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    def __enter__(self) -> None:
        self._token = _origin.set(self._origin)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _origin.reset(self._token)


def caused_by(event: Cause) -> originating:
    """The same: they are caused by `event`."""
    return originating(Origin(event.id, event.hops + 1, event.correlationid, event.traceparent))
