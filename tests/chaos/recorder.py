"""`python -m tests.chaos.recorder URL FILE`: writes down what arrives, with nothing but plain pika."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError

from tests.chaos.checker import Delivery
from tests.chaos.names import EXCHANGE, RECORDER

PREFETCH = 500
QUIET_SECONDS = 0.1
AGAIN_SECONDS = 0.2


def main() -> None:
    url, path = sys.argv[1], Path(sys.argv[2])
    stop = Flag()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with connected(url) as connection:
        declare(connection.channel())
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    while not stop.is_set():
        with suppress(AMQPError, AMQPConnectorException, OSError), connected(url) as connection:
            record(connection.channel(), file, stop)
        stop.wait(AGAIN_SECONDS)


def connected(url: str) -> pika.BlockingConnection:
    return pika.BlockingConnection(pika.URLParameters(f"{url}?heartbeat=6&stack_timeout=5"))


def declare(channel: BlockingChannel) -> None:
    channel.exchange_declare(EXCHANGE, "topic", durable=True)
    channel.queue_declare(RECORDER, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(RECORDER, EXCHANGE, "#")


def record(channel: BlockingChannel, file: int, stop: Flag) -> None:
    """Each message is in the file before it is acknowledged.

    By its tag: 0 would stand for all that the broker has sent, those too that nobody has looked at yet.
    """
    channel.basic_qos(prefetch_count=PREFETCH)
    waiting = last = 0
    for method, _, body in channel.consume(RECORDER, inactivity_timeout=QUIET_SECONDS):
        if method is not None and body is not None:
            os.write(file, line_of(body, method.redelivered).encode())
            waiting, last = waiting + 1, method.delivery_tag
        if waiting and (method is None or waiting >= PREFETCH // 5):
            channel.basic_ack(last, multiple=True)
            waiting = 0
        if stop.is_set():
            return


def line_of(body: bytes, redelivered: bool) -> str:
    event: dict[str, Any] = json.loads(body)
    label = event["data"]["kwargs"]["instance"]["fields"]["label"]
    key = event["subject"].rpartition("/")[2]
    return json.dumps([event["id"], key, label, redelivered, round(time.time(), 3)]) + "\n"


def deliveries(path: Path) -> Iterator[Delivery]:
    """What a recorder wrote, in the order it came."""
    for line in path.read_text().splitlines():
        event_id, key, label, redelivered, _ = json.loads(line)
        yield Delivery(event_id, key, label, redelivered)


if __name__ == "__main__":
    main()
