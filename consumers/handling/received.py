"""What a handler's queue handed over, as the handling sees it: no broker in it."""

import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from consumers.headers import ATTEMPT, DUE_AT, FIRST_FAILED_AT, RETURNS, ROUTING_KEY, noted_key, number_in, text_in
from publisher.wire.errors import MalformedEvent
from publisher.wire.event import Event, decode_event
from publisher.wire.intake import Delivery

# More than anybody needs, and all that the headers of a copy can hold.
MOST_ATTEMPTS = 2**31 - 1
MOMENT_BYTES = 64
# Far below the queue's delivery limit. Up to RabbitMQ 4.2 each return counts, so that an innocent one may have a few.
MANY_RETURNS = 10


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
    # How often, as far as its broker counts.
    returns: int = 0
    flaw: str = ""

    @property
    def is_alone(self) -> bool:
        """Whether it goes into no batch: it failed before, or may have killed its process. Others would suffer."""
        return self.is_suspect or self.attempt > 1

    @property
    def is_dangerous(self) -> bool:
        """Whether it may be what ends its process again and again, before its starts are counted, or where none are."""
        return self.returns >= MANY_RETURNS


def received_of(delivery: Delivery) -> Received:
    """Headers are whatever a stranger wrote: what is not of its type, or too long for it, counts as not there."""
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
