"""Parses the log lines of the relay and the consumers."""

import re
from dataclasses import dataclass

from uuid_utils import UUID

PAIR = re.compile(r"(\w+)=(\S+)")
# The time, the level and the logger come first; see LOGGING in project/settings.py.
LINE = re.compile(r"^\S+ \S+ (?P<level>[A-Z]+) (?P<logger>[\w.]+) (?P<message>.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """A handler succeeded. `lag_ms` is from the event's time, within its transaction, to the handler's start."""

    event: str
    handler: str
    key: str
    lag_ms: float
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A handler with ask=True has answered."""

    event: str
    handler: str
    lag_ms: float
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A handler will try again, in `next_seconds`."""

    event: str
    handler: str
    next_seconds: float
    exception: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """A handler gave up."""

    event: str
    handler: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """The audit log's line for an event, the only line that has the event's subject."""

    event: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """What the relay has done since it started."""

    confirmed: int
    unroutable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """The consumers have declared their queues and consume from them: `consuming` events, or `answering` questions."""

    kind: str


Said = Handled | Answered | Failed | Dead | Audited | Relayed | Subscribed


def said(text: str) -> Said | None:
    """The value for a log line; None for any other line."""
    line = LINE.match(text)
    if line is None:
        return None
    word, _, rest = line["message"].partition(" ")
    pairs = dict(PAIR.findall(rest))
    try:
        return _said(word, pairs, rest)
    except (KeyError, ValueError):
        return None


def _said(word: str, pairs: dict[str, str], rest: str) -> Said | None:
    match word:
        case "handled":
            return Handled(
                event=pairs["event"],
                handler=pairs["handler"],
                key=pairs["key"],
                lag_ms=float(pairs["lag_ms"]),
                ms=float(pairs["ms"]),
            )
        case "answered":
            return Answered(
                event=pairs["event"], handler=pairs["handler"], lag_ms=float(pairs["lag_ms"]), ms=float(pairs["ms"])
            )
        case "failed":
            return Failed(
                event=pairs["event"],
                handler=pairs["handler"],
                next_seconds=float(pairs["next_seconds"].rstrip(":")),
                exception=rest.rpartition(": ")[2].partition(" ")[0],
            )
        case "dead":
            return Dead(event=pairs["event"], handler=pairs["handler"], reason=rest.partition("reason=")[2])
        case "audit":
            return Audited(event=pairs["id"], subject=pairs["subject"])
        case "consuming" | "answering":
            return Subscribed(kind=word)
        case "relayed":
            return Relayed(confirmed=int(pairs["confirmed"]), unroutable=int(pairs["unroutable"]))
    return None


def made_at_ms(event: str) -> int:
    """When an event was made, in milliseconds since the epoch, from its id if that is a uuid7; else 0."""
    try:
        made = UUID(event)
    except ValueError:
        return 0
    return int(made.timestamp) if made.version == 7 else 0
