"""A delivery as the handling sees it: body, routing key, and what its headers say. Knows no broker."""

import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from consumers.headers import ATTEMPT, DUE_AT, FIRST_FAILED_AT, RETURNS, ROUTING_KEY, noted_key, number_in, text_in
from publisher.wire.errors import MalformedEvent
from publisher.wire.event import Event, decode_event
from publisher.wire.intake import Delivery

# The largest number that fits into the headers of a copy.
MOST_ATTEMPTS = 2**31 - 1
MOMENT_BYTES = 64
# Far below the queue's delivery limit. An innocent event may have a few: up to RabbitMQ 4.2, each requeue is one.
MANY_RETURNS = 10


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery. `attempt` counts from 1. `due_at` is in seconds since the epoch; 0 stands for at once.

    `is_suspect`: it was redelivered, so it may have killed the process that had it before. `returns`: how often it went
    back to its queue, by the broker's count. `flaw`: why the key or the properties cannot be read; empty if they can.
    """

    body: bytes
    routing_key: str
    attempt: int = 1
    due_at: float = 0.0
    first_failed_at: str | None = None
    is_suspect: bool = False
    returns: int = 0
    flaw: str = ""

    @property
    def is_alone(self) -> bool:
        """Whether to keep it out of a batch: it failed before, or may have killed a process, and would harm others."""
        return self.is_suspect or self.attempt > 1

    @property
    def is_dangerous(self) -> bool:
        """Whether it went back so often that it probably kills its process, before its start can be counted."""
        return self.returns >= MANY_RETURNS


def received_of(delivery: Delivery) -> Received:
    """Read a delivery. Headers with a wrong type, or too long a text, are ignored: a stranger may have written them."""
    headers = delivery.headers
    return Received(
        body=delivery.body,
        routing_key=noted_key(headers) or delivery.routing_key,
        attempt=min(max(1, number_in(headers, ATTEMPT) + 1), MOST_ATTEMPTS),
        due_at=number_in(headers, DUE_AT) / 1000,
        first_failed_at=text_in(headers, FIRST_FAILED_AT, MOMENT_BYTES),
        is_suspect=delivery.redelivered,
        returns=number_in(headers, RETURNS) if delivery.redelivered else 0,
        flaw=delivery.flaw,
    )


def event_of(received: Received) -> Event:
    """Decode the event. Raises MalformedEvent, also if the routing key or the properties cannot be read."""
    if received.flaw:
        raise MalformedEvent(received.flaw)
    return decode_event(received.body, received.routing_key)


def retry_headers(received: Received, after_seconds: float) -> dict[str, Any]:
    """The headers of a copy that waits in a retry queue."""
    now = datetime.now(UTC).isoformat()
    return {
        ATTEMPT: received.attempt,
        DUE_AT: int((time.time() + after_seconds) * 1000),
        FIRST_FAILED_AT: received.first_failed_at or now,
        ROUTING_KEY: received.routing_key,
    }
