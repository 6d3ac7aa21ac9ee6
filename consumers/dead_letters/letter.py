"""One dead letter: what its message says of the event, and of the handler that gave up on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from consumers.headers import (
    ATTEMPTS_MADE,
    EXCEPTION,
    FIRST_FAILED_AT,
    HISTORY,
    HOST,
    LAST_FAILED_AT,
    REASON,
    ROUTING_KEY,
    TEXT,
    WHERE,
    noted_key,
    number_in,
)
from publisher.wire.frames import Message
from publisher.wire.glance import subject_of
from publisher.wire.intake import Delivery, republished
from publisher.wire.shelf import letter_id


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that a handler gave up on, and why. Times are texts in ISO 8601, as they were written.

    `subject` is what the event is about, as in `shop.order/42`. It is empty where the event does not say, or where the
    message is not an event.
    """

    id: str
    handler: str
    type: str
    subject: str
    reason: str
    exception: str
    text: str
    where: str
    attempts: int
    first_failed_at: str
    last_failed_at: str
    host: str
    size: int


def as_new(delivery: Delivery, exchange: str, queue: str) -> Message:
    """A copy of the message, to be sent to `queue` through `exchange`, without the headers about earlier attempts."""
    return republished(delivery, exchange, queue, {**dict.fromkeys(HISTORY), ROUTING_KEY: routing_key_of(delivery)})


def routing_key_of(delivery: Delivery) -> str:
    """The key that the event was published under: from our header, or x-death, if the broker made the dead letter."""
    headers = delivery.headers
    keys = _death(headers).get("routing-keys")
    first = keys[0] if isinstance(keys, list) and keys else None
    return noted_key(headers) or (first if isinstance(first, str) else delivery.routing_key)


def letter_of(handler: str, delivery: Delivery) -> DeadLetter:
    headers = delivery.headers
    return DeadLetter(
        id=letter_id(delivery.properties, delivery.body),
        handler=handler,
        type=str(delivery.properties.type or ""),
        subject=subject_of(delivery.body),
        reason=str(headers.get(REASON) or _broker_reason(headers)),
        exception=str(headers.get(EXCEPTION, "")),
        text=str(headers.get(TEXT, "")),
        where=str(headers.get(WHERE, "")),
        attempts=number_in(headers, ATTEMPTS_MADE),
        first_failed_at=str(headers.get(FIRST_FAILED_AT, "")),
        last_failed_at=str(headers.get(LAST_FAILED_AT) or _broker_moment(headers)),
        host=str(headers.get(HOST, "")),
        size=len(delivery.body),
    )


def _broker_reason(headers: Mapping[str, Any]) -> str:
    """Why the broker made it a dead letter by itself: usually the queue's delivery limit."""
    return str(_death(headers).get("reason", "unknown"))


def _broker_moment(headers: Mapping[str, Any]) -> str:
    """When the broker made it a dead letter; empty where it does not say."""
    time = _death(headers).get("time")
    return time.isoformat() if isinstance(time, datetime) else ""


def _death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    deaths = headers.get("x-death")
    return deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
