"""The possible outcomes of one delivery."""

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
    """The delivery needs nothing more. `event` is None if it was not for this handler, or was handled before."""

    event: Event | None
    began: datetime

    @property
    def lag(self) -> timedelta | None:
        """The time from the signal to the handler's start; None if the event does not say when it was made."""
        sent = self.event.time if self.event else None
        if sent is None:
            return None
        return self.began - (sent if sent.tzinfo else sent.replace(tzinfo=self.began.tzinfo))


class Handled(Done, frozen=True, kw_only=True):
    """The delivery is to be acknowledged."""


class Answered(Done, frozen=True, kw_only=True):
    """The outcome of a question. `body` is the answer; None if the question was too old, or not for this handler."""

    body: bytes | None


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The event is to be tried again in `after` seconds."""

    received: Received
    after: float
    exception: str
    where: str = ""


# The reason of a dead letter whose handler killed its process.
CRASHED = "crashed"
# The reasons that are the event's fault, not the handler's.
OF_THE_EVENT = frozenset(("malformed", "unknown type", "not bound", "too many hops", "rejected"))


class Dead(msgspec.Struct, frozen=True, kw_only=True):
    """The event becomes a dead letter; `headers` say why."""

    reason: str
    headers: dict[str, Any]


class GivenBack(msgspec.Struct, frozen=True, kw_only=True):
    """The event goes back to its queue: the process is to end while the event waits for the database."""


# The pause before an event that another process is handling is tried again.
LOOK_SECONDS = 5.0


class AtAnother(msgspec.Struct, frozen=True, kw_only=True):
    """Another thread or process is handling the event: the connection was lost meanwhile, and the handler goes on.

    The event is tried again later. By then the inbox shows whether the other handler has succeeded.
    """


class Dangerous(msgspec.Struct, frozen=True, kw_only=True):
    """The event may kill its process, so the handler was not called. It is to be handled alone."""


Result = Handled | Failed | Dead | GivenBack | AtAnother | Dangerous | Answered


def is_a_failure(result: Result) -> bool:
    """Whether the handler failed by its own fault. An event that is malformed, or that it rejects, is not its fault."""
    return isinstance(result, Failed) or (isinstance(result, Dead) and result.reason not in OF_THE_EVENT)


def dead(reason: str, exc: BaseException, received: Received, handler: str, *, place: str = "") -> Dead:
    """A dead letter, with the history of its attempts in the headers. Secrets are taken out of the exception's text.

    `place` is where to look in the code, if that is not the place in the exception's traceback.
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
    """The text of the exception, without secrets, and cut so that it fits into a header."""
    try:
        return _header(scrubbed(str(exc)))
    except BaseException:  # its __str__ may raise
        return ""


def _header(text: str) -> str:
    """Cut so that it fits into a header, and made valid UTF-8: the name of a file may not be."""
    return text[:TEXT_CHARACTERS].encode(errors="backslashreplace").decode()


def name_of(exc: BaseException) -> str:
    return f"{type(exc).__module__}.{type(exc).__qualname__}"
