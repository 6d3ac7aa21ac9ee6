"""The message of an event: its body as it is, and what brokers and tools look at beside it."""

from typing import Protocol

from publisher.wire.event import CONTENT_TYPE, seconds_of
from publisher.wire.frames import Message
from publisher.wire.glance import correlation_of


class Outgoing(Protocol):
    """An event that was made, wherever it waited."""

    @property
    def message_id(self) -> str: ...

    @property
    def type(self) -> str: ...

    @property
    def routing_key(self) -> str: ...

    @property
    def body(self) -> bytes | memoryview: ...


def message_of(event: Outgoing, service: str, *, to: tuple[str | None, str]) -> Message:
    """`to` is the exchange (None: the sender's own) and the routing key."""
    exchange, key = to
    body = bytes(event.body)
    return Message(
        exchange=exchange,
        routing_key=key,
        body=body,
        content_type=CONTENT_TYPE,
        correlation_id=correlation_of(body),
        message_id=event.message_id,
        type=event.type,
        app_id=service,
        timestamp=seconds_of(event.message_id),
    )
