"""The ids of the trace and of the request that an event belongs to, as logs have them."""

import re
from typing import Protocol

# https://www.w3.org/TR/trace-context/#traceparent-header
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
# Whoever sends a request, or an event, chooses it.
REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")


class Traced(Protocol):
    """An event, or what events come from."""

    @property
    def traceparent(self) -> str | None: ...
    @property
    def correlationid(self) -> str | None: ...


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
