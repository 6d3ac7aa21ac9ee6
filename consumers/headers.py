"""What is noted of an event on its way, in its message's headers: whatever a stranger may have written there."""

from collections.abc import Mapping
from typing import Any

from publisher.wire.routing import KEY_BYTES, KEY_HEADER

ATTEMPT = "x-attempt"
DUE_AT = "x-due-at"
FIRST_FAILED_AT = "x-first-failed-at"
ROUTING_KEY = KEY_HEADER
# What a dead letter says of its end.
REASON = "x-reason"
EXCEPTION = "x-exception"
TEXT = "x-text"
WHERE = "x-where"
ATTEMPTS_MADE = "x-attempts"
LAST_FAILED_AT = "x-last-failed-at"
HANDLER = "x-handler"
HOST = "x-host"
# The broker's own: how often it came back to its queue. https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling
RETURNS = "x-delivery-count"
# All that is noted of attempts: nothing of it is left on what comes again as new.
HISTORY = (
    ATTEMPT, DUE_AT, FIRST_FAILED_AT, REASON, EXCEPTION, TEXT, WHERE, ATTEMPTS_MADE, LAST_FAILED_AT, HANDLER, HOST,
)  # fmt: skip


def noted_key(headers: Mapping[str, Any]) -> str | None:
    """The key that the event was published under, on one that came back by its queue's name."""
    return text_in(headers, ROUTING_KEY, KEY_BYTES)


def number_in(headers: Mapping[str, Any], name: str) -> int:
    """0 where there is none."""
    value = headers.get(name)
    return value if isinstance(value, int) else 0


def text_in(headers: Mapping[str, Any], name: str, most_bytes: int) -> str | None:
    """None where there is none, or a longer one."""
    value = headers.get(name)
    return value if isinstance(value, str) and len(value.encode(errors="replace")) <= most_bytes else None
