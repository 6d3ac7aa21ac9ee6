"""What is read off an event's bytes at a glance, where the whole of it is not needed."""

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
    """What a record of the log belongs to that is about this event, of this id; of nothing else where it is none."""
    try:
        traced = _decoder.decode(body)
    except (ValueError, RecursionError):
        return Origin(causationid=id)
    return Origin(causationid=id, correlationid=traced.correlationid, traceparent=traced.traceparent)


def told_of(body: bytes | memoryview) -> str:
    """` trace=… request=…` for a line of the log; empty where it is no event."""
    return told(origin_of(body))


def id_of(body: bytes) -> str:
    """Empty where it is no event."""
    return _text_in(body, "id")


def subject_of(body: bytes) -> str:
    """What an event is about; empty where it says nothing, or is no event."""
    return _text_in(body, "subject")


def _text_in(body: bytes, attribute: str) -> str:
    try:
        value = getattr(_about.decode(body), attribute)
    except (ValueError, RecursionError):
        return ""
    return value if isinstance(value, str) else ""


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
