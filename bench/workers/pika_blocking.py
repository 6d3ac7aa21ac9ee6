"""pika's BlockingConnection, a callback that does nothing, and each message acknowledged.

`python -m bench.workers.pika_blocking`
"""

import os
import signal
from typing import Any

import pika

from bench.workers.tally import handled

PREFETCH = 1000


def on_message(channel: Any, method: Any, properties: Any, body: bytes) -> None:
    handled()
    channel.basic_ack(method.delivery_tag)


if __name__ == "__main__":
    with pika.BlockingConnection(pika.URLParameters(os.environ["BENCH_BROKER_URL"])) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.basic_consume(os.environ["BENCH_QUEUE"], on_message)
        signal.signal(signal.SIGTERM, lambda *_: connection.add_callback_threadsafe(channel.stop_consuming))
        channel.start_consuming()
