"""The ids of the trace and of the request that an event belongs to, for logs."""

import re
from typing import Protocol

# https://www.w3.org/TR/trace-context/#traceparent-header
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
# An id is validated, since whoever sends the request or the event chooses it.
REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")


class Traced(Protocol):
    """An event, or an origin of events."""

    @property
    def traceparent(self) -> str | None: ...
    @property
    def correlationid(self) -> str | None: ...


def trace_id(traceparent: object) -> str:
    """The trace id in a traceparent; empty where it is no W3C trace context."""
    found = TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    return found[1] if found else ""


def request_id(correlationid: object) -> str:
    """The request id; empty if it is not one word of printable ASCII, as one from another program may be."""
    return correlationid if isinstance(correlationid, str) and REQUEST_ID.fullmatch(correlationid) else ""


def told(event: Traced) -> str:
    """` trace=… request=…` for a log line, as far as the event has them."""
    if event.traceparent is None and event.correlationid is None:
        return ""
    words = {"trace": trace_id(event.traceparent), "request": request_id(event.correlationid)}
    return "".join(f" {word}={id}" for word, id in words.items() if id)
