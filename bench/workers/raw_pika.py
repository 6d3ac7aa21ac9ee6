"""pika's SelectConnection as it is, and a callback that does nothing; one acknowledgement for many.

`python -m bench.workers.raw_pika`
"""

import os
import signal
from typing import Any

import pika

from bench.workers.tally import handled

# The fastest of those tried.
PREFETCH = 1000
ACK_EVERY = 100
ACK_AFTER_SECONDS = 0.05


class Consumer:
    def __init__(self, queue: str) -> None:
        self.queue = queue
        self._last = self._acked = 0
        parameters = pika.URLParameters(os.environ["BENCH_BROKER_URL"])
        self.connection = pika.SelectConnection(parameters, self._on_open, on_close_callback=self._on_close)

    def _on_open(self, connection: pika.SelectConnection) -> None:
        connection.channel(on_open_callback=self._on_channel)

    def _on_close(self, connection: pika.SelectConnection, reason: BaseException) -> None:
        connection.ioloop.stop()

    def _on_channel(self, channel: Any) -> None:
        self.channel = channel
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.basic_consume(self.queue, self._on_message)
        self._tick()

    def _on_message(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        handled()
        self._last = method.delivery_tag
        if self._last - self._acked >= ACK_EVERY:
            self._ack()

    def _tick(self) -> None:
        self._ack()
        self.connection.ioloop.call_later(ACK_AFTER_SECONDS, self._tick)

    def _ack(self) -> None:
        if self._last > self._acked:
            self._acked = self._last
            self.channel.basic_ack(self._acked, multiple=True)

    def end(self) -> None:
        self._ack()
        self.connection.close()


if __name__ == "__main__":
    consumer = Consumer(os.environ["BENCH_QUEUE"])
    signal.signal(signal.SIGTERM, lambda *_: consumer.connection.ioloop.add_callback_threadsafe(consumer.end))
    consumer.connection.ioloop.start()
