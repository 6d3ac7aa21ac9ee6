"""Makes the AMQP message of an event: its body, and the properties that brokers and tools look at."""

from typing import Protocol

from msgspec.structs import replace
from pika import BasicProperties

from publisher.wire.event import CONTENT_TYPE, seconds_of
from publisher.wire.frames import Message
from publisher.wire.glance import correlation_of
from publisher.wire.routing import KEY_HEADER, ONE_QUEUE_MARK, OneQueue
from publisher.wire.topology import addressed, return_exchange


class Outgoing(Protocol):
    """An encoded event, from an outbox or from the buffer of direct delivery."""

    @property
    def message_id(self) -> str: ...

    @property
    def type(self) -> str: ...

    @property
    def routing_key(self) -> str: ...

    @property
    def body(self) -> bytes | memoryview: ...


def message_of(event: Outgoing, service: str, *, to: tuple[str | None, str]) -> Message:
    """The message of an event. `to` is the exchange (None: the sender's own) and the routing key."""
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


def relayed(event: Outgoing, service: str, exchange: str) -> Message:
    """The message of an event from an outbox: for the topic exchange, or for the one queue that its key names."""
    if event.routing_key.startswith(ONE_QUEUE_MARK):
        return _to_one_queue(event, service, exchange)
    return message_of(event, service, to=addressed(exchange, event.routing_key))


def _to_one_queue(event: Outgoing, service: str, exchange: str) -> Message:
    queue, key = OneQueue.read(event.routing_key)
    message = message_of(event, service, to=(return_exchange(exchange), queue))
    properties = BasicProperties(
        content_type=message.content_type,
        headers={KEY_HEADER: key},
        delivery_mode=2,
        correlation_id=message.correlation_id,
        message_id=message.message_id,
        timestamp=message.timestamp,
        type=message.type,
        app_id=message.app_id,
    )
    return replace(message, properties=b"".join(properties.encode()))
