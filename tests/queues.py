"""A second pair of eyes: the broker as plain pika sees it, without any of the product's code."""

import json
import struct
import uuid
from contextlib import suppress
from typing import NamedTuple

import pika
from pika.exceptions import NackError


class Letter(NamedTuple):
    """A message as it lies in a queue."""

    body: bytes
    headers: dict
    properties: pika.BasicProperties
    routing_key: str


class Raw(pika.BasicProperties):
    """Bytes in the place of properties."""

    def __init__(self, raw):
        super().__init__()
        self.raw = raw

    def encode(self):
        return [self.raw]


def table(entry: bytes) -> bytes:
    """Properties that are one header."""
    return struct.pack(">HL", pika.BasicProperties.FLAG_HEADERS, len(entry)) + entry


class Queues:
    """The queues of one service, and the exchange it listens to."""

    def __init__(self, url: str, names: dict[str, str]) -> None:
        self.exchange = names["EXCHANGE"]
        self.service = names["SERVICE"]
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()

    def name(self, handler: str) -> str:
        return f"{self.service}.{handler}"

    def publish(self, key: str, body: bytes, **properties) -> None:
        self.channel.basic_publish(self.exchange, key, body, pika.BasicProperties(**properties), mandatory=True)

    def publish_to(self, handler: str, body: bytes, **properties) -> None:
        """Straight into a queue."""
        self.channel.basic_publish("", self.name(handler), body, pika.BasicProperties(delivery_mode=2, **properties))

    def event(self, key: str, data: object, *, id: str | None = None, partitionkey: str = "") -> str:
        """Publish a CloudEvent, as any service might; its id."""
        id = id or str(uuid.uuid4())
        self.publish(key, self.body(data, id=id, partitionkey=partitionkey), message_id=id, type="test")
        return id

    @staticmethod
    def body(data: object, *, id: str, partitionkey: str = "") -> bytes:
        event = {"specversion": "1.0", "id": id, "source": "/test", "type": "test", "data": data}
        return json.dumps({**event, "partitionkey": partitionkey}).encode()

    def count(self, handler: str) -> int:
        return self.channel.queue_declare(self.name(handler), passive=True).method.message_count

    def bind(self, handler: str, key: str) -> None:
        """A queue of the test's own."""
        self.channel.exchange_declare(self.exchange, "topic", durable=True)
        self.channel.queue_declare(self.name(handler), durable=True, arguments={"x-queue-type": "quorum"})
        self.channel.queue_bind(self.name(handler), self.exchange, key)

    def bind_full(self, handler: str, key: str) -> None:
        """One that refuses what comes next."""
        arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
        self.channel.exchange_declare(self.exchange, "topic", durable=True)
        self.channel.queue_declare(self.name(handler), durable=True, arguments=arguments)
        self.channel.queue_bind(self.name(handler), self.exchange, key)
        with suppress(NackError):
            while True:
                self.publish_to(handler, b"")

    def unbind(self, handler: str, key: str) -> None:
        self.channel.queue_unbind(self.name(handler), self.exchange, key)

    def delete(self, handler: str) -> None:
        self.channel.queue_delete(self.name(handler))

    def take(self, handler: str) -> list[Letter]:
        """All messages of a queue, removed from it."""
        letters = self._get(handler)
        self.channel.basic_ack(0, multiple=True) if letters else None
        return letters

    def peek(self, handler: str) -> list[Letter]:
        """All messages of a queue, left in it."""
        letters = self._get(handler)
        self.channel.basic_nack(0, multiple=True, requeue=True) if letters else None
        return letters

    def come_back(self, handler: str, times: int) -> None:
        """All messages of a queue, as if who had them had died so often: each broker counts what a channel leaves."""
        for _ in range(times):
            channel = self.connection.channel()
            while channel.basic_get(self.name(handler))[0] is not None:
                pass
            channel.close()

    def _get(self, handler: str) -> list[Letter]:
        letters = []
        while (got := self.channel.basic_get(self.name(handler)))[0] is not None:
            method, properties, body = got
            letters.append(Letter(body, properties.headers or {}, properties, method.routing_key))
        return letters

    def close(self) -> None:
        self.connection.close()
