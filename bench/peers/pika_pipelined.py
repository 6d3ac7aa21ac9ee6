"""pika's SelectConnection: many messages in flight, each confirmed, as pika's own example has it.

https://github.com/pika/pika/blob/main/examples/asynchronous_publisher_example.py
"""

import time
from collections.abc import Sequence
from typing import Any

import pika
from pika.spec import Basic

from bench.events import events
from bench.peers.acks import Acks
from bench.peers.properties import properties
from publisher import conf
from publisher.events.body import Encoded
from publisher.wire.sender import WINDOW

BURST = 500


class Publisher:
    """Publishes the messages and stops the connection's loop at the last confirm."""

    def __init__(self, messages: Sequence[Encoded]) -> None:
        self.messages = messages
        self.seconds = 0.0
        self._acks = Acks(len(messages))
        self._sent = 0
        self._began = 0.0
        self._exchange = conf.exchange()
        self._channel: Any = None
        self._connection = pika.SelectConnection(pika.URLParameters(conf.broker_url()), on_open_callback=self._on_open)

    def run(self) -> None:
        self._connection.ioloop.start()

    def _on_open(self, connection: pika.SelectConnection) -> None:
        connection.channel(on_open_callback=self._on_channel)

    def _on_channel(self, channel: Any) -> None:
        self._channel = channel
        channel.confirm_delivery(self._on_confirm, callback=self._on_ready)

    def _on_ready(self, frame: object) -> None:
        self._began = time.perf_counter()
        self._publish()

    def _on_confirm(self, frame: Any) -> None:
        if not isinstance(frame.method, Basic.Ack):
            raise AssertionError("the broker said no")
        self._acks.add(frame.method.delivery_tag, frame.method.multiple)
        if self._acks.count == len(self.messages):
            self.seconds = time.perf_counter() - self._began
            self._connection.ioloop.stop()
        elif self._sent - self._acks.count <= WINDOW - BURST:
            self._publish()

    def _publish(self) -> None:
        for message in self.messages[self._sent : self._sent + WINDOW - (self._sent - self._acks.count)]:
            self._channel.basic_publish(
                self._exchange, message.routing_key, message.body, properties(message), mandatory=True
            )
            self._sent += 1


def publish(count: int, queue: str) -> float:
    publisher = Publisher(list(events(count)))
    publisher.run()
    return publisher.seconds
