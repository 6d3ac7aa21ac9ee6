"""What a handler's queue handed over, as the handling sees it: no broker in it."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from publisher.wire.errors import MalformedEvent
from publisher.wire.event import Event, decode_event
from publisher.wire.intake import Delivery

ATTEMPT = "x-attempt"
DUE_AT = "x-due-at"
FIRST_FAILED_AT = "x-first-failed-at"
ROUTING_KEY = "x-routing-key"


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery. `attempt` counts from 1; `due_at` is in seconds since the epoch, 0 for at once.

    `flaw` is why what is around the body cannot be read; empty when it can.
    """

    body: bytes
    routing_key: str
    attempt: int = 1
    due_at: float = 0.0
    first_failed_at: str | None = None
    # It was given out before and not acknowledged: whoever had it may have died of it.
    is_suspect: bool = False
    flaw: str = ""


def received(delivery: Delivery) -> Received:
    """Headers are whatever a stranger wrote: what is not of its type counts as not there."""
    headers = delivery.headers
    if not headers:
        return Received(
            body=delivery.body,
            routing_key=delivery.routing_key,
            is_suspect=delivery.redelivered,
            flaw=delivery.flaw,
        )
    return Received(
        body=delivery.body,
        routing_key=_header(headers, ROUTING_KEY, str, delivery.routing_key),
        attempt=max(1, _header(headers, ATTEMPT, int, 0) + 1),
        due_at=_header(headers, DUE_AT, int, 0) / 1000,
        first_failed_at=_header(headers, FIRST_FAILED_AT, str, None),
        is_suspect=delivery.redelivered,
    )


def event_of(received: Received) -> Event:
    """Raises MalformedEvent for what is none, or came with what cannot be read."""
    if received.flaw:
        raise MalformedEvent(received.flaw)
    return decode_event(received.body, received.routing_key)


def retry_headers(received: Received, after_seconds: float) -> dict[str, Any]:
    """What the message carries into its wait."""
    now = datetime.now(UTC).isoformat()
    return {
        ATTEMPT: received.attempt,
        DUE_AT: int((time.time() + after_seconds) * 1000),
        FIRST_FAILED_AT: received.first_failed_at or now,
        ROUTING_KEY: received.routing_key,
    }


def _header(headers: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = headers.get(name)
    return value if isinstance(value, kind) else default
