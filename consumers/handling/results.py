"""What can become of one delivery."""

import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from consumers.handling.received import Received
from consumers.headers import (
    ATTEMPT,
    ATTEMPTS_MADE,
    DUE_AT,
    EXCEPTION,
    FIRST_FAILED_AT,
    HANDLER,
    HOST,
    LAST_FAILED_AT,
    REASON,
    ROUTING_KEY,
    TEXT,
    WHERE,
)
from publisher.raised import where
from publisher.scrubbing import scrubbed
from publisher.wire.event import Event

TEXT_CHARACTERS = 500


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """`event` is None when it was not for this handler, or had been handled before."""

    event: Event | None
    began: datetime

    @property
    def lag(self) -> timedelta | None:
        """From the signal to the beginning of its handler; None where the event does not say when that was."""
        sent = self.event.time if self.event else None
        if sent is None:
            return None
        return self.began - (sent if sent.tzinfo else sent.replace(tzinfo=self.began.tzinfo))


class Handled(Done, frozen=True, kw_only=True):
    """It can be acknowledged."""


class Answered(Done, frozen=True, kw_only=True):
    """The handler was asked. `body` is what goes back; None when nobody waits for it any more, or it was not asked."""

    body: bytes | None


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """It waits for another attempt, in `after` seconds."""

    received: Received
    after: float
    exception: str
    where: str = ""


# The reason of a dead letter whose handler did not live to say one.
CRASHED = "crashed"
# Those that are the event's own.
OF_THE_EVENT = frozenset(("malformed", "unknown type", "not bound", "too many hops", "rejected"))


class Dead(msgspec.Struct, frozen=True, kw_only=True):
    """It goes to the dead letters; `headers` say why."""

    reason: str
    headers: dict[str, Any]


class GivenBack(msgspec.Struct, frozen=True, kw_only=True):
    """It goes back to its queue: its process ends in good order while it waits for the database."""


# Until it is looked again at an event that another process is at.
LOOK_SECONDS = 5.0


class AtAnother(msgspec.Struct, frozen=True, kw_only=True):
    """Another process is at it: its connection to the broker was lost, and its handler goes on. It is to be seen again
    what became of that.
    """


class Dangerous(msgspec.Struct, frozen=True, kw_only=True):
    """It may kill its process, and was not called: it is to be called alone."""


Result = Handled | Failed | Dead | GivenBack | AtAnother | Dangerous | Answered


def is_a_failure(result: Result) -> bool:
    """Whether the handler failed. What is no event, or what it rejects, says nothing of how it fares."""
    return isinstance(result, Failed) or (isinstance(result, Dead) and result.reason not in OF_THE_EVENT)


def dead(reason: str, exc: BaseException, received: Received, handler: str, *, place: str = "") -> Dead:
    """The history that a dead letter carries. The text is cut: it may hold what the handler worked on. `place` is
    where it came from, if not from where the exception says.
    """
    now = datetime.now(UTC).isoformat()
    headers = {
        REASON: reason,
        EXCEPTION: _header(name_of(exc)),
        TEXT: text_of(exc),
        WHERE: _header(place or where(exc)),
        ATTEMPTS_MADE: received.attempt,
        FIRST_FAILED_AT: received.first_failed_at or now,
        LAST_FAILED_AT: now,
        HANDLER: handler,
        HOST: socket.gethostname(),
        ROUTING_KEY: received.routing_key,
        ATTEMPT: None,
        DUE_AT: None,
    }
    return Dead(reason=reason, headers=headers)


def text_of(exc: BaseException) -> str:
    """What it says, as far as a header can hold it, without what it calls a secret."""
    try:
        return _header(scrubbed(str(exc)))
    except BaseException:  # it may raise itself
        return ""


def _header(text: str) -> str:
    """As far as a header can hold it: the name of a file may be no UTF-8."""
    return text[:TEXT_CHARACTERS].encode(errors="backslashreplace").decode()


def name_of(exc: BaseException) -> str:
    return f"{type(exc).__module__}.{type(exc).__qualname__}"
