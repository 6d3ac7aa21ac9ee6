"""The message headers that hold an event's history. A stranger may have written anything into them."""

from collections.abc import Mapping
from typing import Any

from publisher.wire.routing import KEY_BYTES, KEY_HEADER

ATTEMPT = "x-attempt"
DUE_AT = "x-due-at"
FIRST_FAILED_AT = "x-first-failed-at"
ROUTING_KEY = KEY_HEADER
# On dead letters only.
REASON = "x-reason"
EXCEPTION = "x-exception"
TEXT = "x-text"
WHERE = "x-where"
ATTEMPTS_MADE = "x-attempts"
LAST_FAILED_AT = "x-last-failed-at"
HANDLER = "x-handler"
HOST = "x-host"
# Set by the broker: how often the message went back to its queue.
# https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling
RETURNS = "x-delivery-count"
# All headers about attempts. A message that is sent again as new has none of them.
HISTORY = (
    ATTEMPT, DUE_AT, FIRST_FAILED_AT, REASON, EXCEPTION, TEXT, WHERE, ATTEMPTS_MADE, LAST_FAILED_AT, HANDLER, HOST,
)  # fmt: skip


def noted_key(headers: Mapping[str, Any]) -> str | None:
    """The key that the event was published under, from our header. The message's own key may be the name of its queue:
    that is how a copy comes back from a retry queue.
    """
    return text_in(headers, ROUTING_KEY, KEY_BYTES)


def number_in(headers: Mapping[str, Any], name: str) -> int:
    """The number in this header, or 0."""
    value = headers.get(name)
    return value if isinstance(value, int) else 0


def text_in(headers: Mapping[str, Any], name: str, most_bytes: int) -> str | None:
    """The text in this header; None if there is none, or it has more than `most_bytes`."""
    value = headers.get(name)
    return value if isinstance(value, str) and len(value.encode(errors="replace")) <= most_bytes else None
