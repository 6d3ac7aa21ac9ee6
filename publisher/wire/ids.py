"""The ids of the trace and of the request that an event belongs to, where they are wanted beside its body."""

import re
from typing import Any, Protocol

import msgspec

# https://www.w3.org/TR/trace-context/#traceparent-header
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
# Whoever sends a request, or an event, chooses it.
REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")

SHORT_BYTES = 255
_NAME, _DATA, _QUOTE = b',"correlationid":"', b',"data":', b'"'


class Traced(Protocol):
    """An event, or what events come from."""

    @property
    def traceparent(self) -> str | None: ...
    @property
    def correlationid(self) -> str | None: ...


class _Traced(msgspec.Struct):
    traceparent: Any = None
    correlationid: Any = None


_decoder = msgspec.json.Decoder(_Traced)


def trace_id(traceparent: object) -> str:
    """Empty where it is no W3C trace context."""
    found = TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    return found[1] if found else ""


def request_id(correlationid: object) -> str:
    """Empty where it would not be one word of a log: it may be a stranger's."""
    return correlationid if isinstance(correlationid, str) and REQUEST_ID.fullmatch(correlationid) else ""


def told(event: Traced) -> str:
    """` trace=… request=…` for a line of the log, as far as the event has them."""
    if event.traceparent is None and event.correlationid is None:
        return ""
    words = {"trace": trace_id(event.traceparent), "request": request_id(event.correlationid)}
    return "".join(f" {word}={id}" for word, id in words.items() if id)


def told_of(body: bytes | memoryview) -> str:
    """The same of an event that nobody decoded; empty where it is none."""
    try:
        return told(_decoder.decode(body))
    except (ValueError, RecursionError):
        return ""


def correlation_of(body: bytes) -> str | None:
    """The correlationid of an event that was encoded here, for AMQP; None where there is none that it can hold.

    The relay asks for each event, so the body is not decoded. In a text quotes are escaped: this is an attribute's name
    wherever it is found, and one of the event's own before `data`, which is its last.
    """
    at = body.find(_NAME, 0, body.find(_DATA))
    if at < 0:
        return None
    at += len(_NAME)
    text = body[at : body.index(_QUOTE, at)]
    if b"\\" in text:
        text = str(_decoder.decode(body).correlationid).encode()
    return text.decode() if 0 < len(text) <= SHORT_BYTES else None
