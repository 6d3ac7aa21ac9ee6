"""kombu's Producer without confirms: the clock stops when the broker has read the last message."""

import json
import time
from collections.abc import Sequence
from typing import Any

from kombu import Connection, Exchange

from bench.broker import SETTLED_SECONDS
from bench.events import events
from publisher import conf
from publisher.events.body import Encoded
from publisher.wire.event import CONTENT_TYPE


def publish(count: int, queue: str) -> float:
    """As kombu is commonly used: a value, and the JSON serializer."""
    messages = list(events(count))
    return _seconds(queue, messages, [json.loads(message.body) for message in messages], {"serializer": "json"})


def publish_bytes(count: int, queue: str) -> float:
    """Bytes that are ready, as the relay has them."""
    messages = list(events(count))
    ready = {"content_type": CONTENT_TYPE, "content_encoding": "utf-8"}
    return _seconds(queue, messages, [message.body for message in messages], ready)


def _seconds(queue: str, messages: Sequence[Encoded], bodies: Sequence[Any], options: dict[str, str]) -> float:
    exchange = Exchange(conf.exchange(), "topic", durable=True)
    with Connection(conf.broker_url()) as connection:
        producer = connection.Producer(exchange=exchange, auto_declare=False)
        began = time.perf_counter()
        for message, body in zip(messages, bodies, strict=True):
            producer.publish(
                body,
                routing_key=message.routing_key,
                message_id=message.event.id,
                type=message.event.type,
                delivery_mode=2,
                **options,
            )
        # Answered in its turn: until then, messages are in the socket, or in the broker's, and nowhere else.
        ready = _ready(producer.channel, queue)
        seconds = time.perf_counter() - began
        # A channel that ends before its queue has them all takes the last ones with it: nothing was confirmed.
        while ready < len(messages) and time.perf_counter() - began < seconds + SETTLED_SECONDS:
            time.sleep(0.05)
            ready = _ready(producer.channel, queue)
        return seconds


def _ready(channel: Any, queue: str) -> int:
    return int(channel.queue_declare(queue, passive=True).message_count)
