"""Reads single attributes from an event's bytes, without decoding all of it."""

from typing import Any

import msgspec

from publisher.wire.ids import told
from publisher.wire.origin import Origin

SHORT_BYTES = 255
_NAME, _DATA, _QUOTE = b',"correlationid":"', b',"data":', b'"'


class _Traced(msgspec.Struct):
    traceparent: Any = None
    correlationid: Any = None


class _About(msgspec.Struct):
    id: Any = None
    subject: Any = None


_decoder = msgspec.json.Decoder(_Traced)
_about = msgspec.json.Decoder(_About)


def origin_of(body: bytes | memoryview, id: str | None = None) -> Origin:
    """The origin for log records about this event. It has only the id if the body is no event."""
    try:
        traced = _decoder.decode(body)
    except (ValueError, RecursionError):
        return Origin(causationid=id)
    return Origin(causationid=id, correlationid=traced.correlationid, traceparent=traced.traceparent)


def told_of(body: bytes | memoryview) -> str:
    """` trace=… request=…` for a log line; empty where the body is no event."""
    return told(origin_of(body))


def id_of(body: bytes) -> str:
    """The event's id; empty where the body is no event."""
    return _text_in(body, "id")


def subject_of(body: bytes) -> str:
    """The event's subject; empty where it has none, or the body is no event."""
    return _text_in(body, "subject")


def _text_in(body: bytes, attribute: str) -> str:
    try:
        value = getattr(_about.decode(body), attribute)
    except (ValueError, RecursionError):
        return ""
    return value if isinstance(value, str) else ""


def correlation_of(body: bytes) -> str | None:
    """The correlationid of an event that the bridge encoded, for AMQP; None where there is none, or it is too long.

    The relay needs it for each event, so this searches the bytes instead of decoding them. The name with its quotes is
    never part of a text, in which quotes are escaped; and before `data`, it can only be the event's own attribute.
    """
    at = body.find(_NAME, 0, body.find(_DATA))
    if at < 0:
        return None
    at += len(_NAME)
    text = body[at : body.index(_QUOTE, at)]
    if b"\\" in text:
        text = str(_decoder.decode(body).correlationid).encode()
    return text.decode() if 0 < len(text) <= SHORT_BYTES else None
