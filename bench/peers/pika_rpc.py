"""A bare RPC with pika: direct reply-to, a classic queue, bytes that are ready, and nothing around them."""

import threading
import uuid
from typing import Any

import pika

from bench.asking import measured
from bench.events import events
from publisher import conf

REPLY_TO = "amq.rabbitmq.reply-to"


def serve(queue: str) -> None:
    """Until it is killed."""
    with pika.BlockingConnection(_parameters()) as connection:
        channel: Any = connection.channel()
        channel.queue_declare(queue, exclusive=False, auto_delete=True)
        channel.basic_qos(prefetch_count=64)

        def on_message(channel: Any, method: Any, properties: Any, body: bytes) -> None:
            back = pika.BasicProperties(correlation_id=properties.correlation_id)
            channel.basic_publish("", properties.reply_to, b'{"answer":true}', back)
            channel.basic_ack(method.delivery_tag)

        channel.basic_consume(queue, on_message)
        channel.start_consuming()


def call(count: int, threads: int, queue: str) -> dict[str, Any]:
    """A client in each thread: pika's connections are for one thread alone."""
    local = threading.local()
    body = next(iter(events(1))).body

    def call() -> bool:
        client = getattr(local, "client", None)
        if client is None:
            client = local.client = Client(queue, body)
        return bool(client.call())

    return measured(call, count, threads)


class Client:
    def __init__(self, queue: str, body: bytes) -> None:
        self.queue = queue
        self.body = body
        self.answer: bytes | None = None
        self.connection = pika.BlockingConnection(_parameters())
        self.channel: Any = self.connection.channel()
        self.channel.basic_consume(REPLY_TO, self._arrived, auto_ack=True)

    def call(self) -> bytes | None:
        """None when nobody answers within a second."""
        self.answer, self.correlation_id = None, str(uuid.uuid4())
        properties = pika.BasicProperties(reply_to=REPLY_TO, correlation_id=self.correlation_id)
        self.channel.basic_publish("", self.queue, self.body, properties)
        self.connection.process_data_events(time_limit=1)
        return self.answer

    def _arrived(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        if properties.correlation_id == self.correlation_id:
            self.answer = body


def _parameters() -> pika.URLParameters:
    return pika.URLParameters(conf.broker_url())
