"""The benchmarks' exchange and queue, as plain pika sees them."""

import time
from types import TracebackType
from typing import Any, Self

import pika

from bench.servers import Servers

QUORUM = {"x-queue-type": "quorum"}
SETTLED_SECONDS = 30.0


class Broker:
    """Makes the queue, counts what is in it, and removes it."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self._connection = pika.BlockingConnection(_parameters(servers.broker_url))
        self._channel: Any = self._connection.channel()
        self._channel.exchange_declare(servers.exchange, "topic", durable=True)

    def fresh_queue(self) -> None:
        """A new quorum queue that takes all that comes to the exchange."""
        self._channel.queue_delete(self.servers.queue)
        self._channel.queue_declare(self.servers.queue, durable=True, arguments=QUORUM)
        self._channel.queue_bind(self.servers.queue, self.servers.exchange, "#")

    def remove(self, *queues: str) -> None:
        for queue in queues:
            self._channel.queue_delete(queue)

    def purge(self) -> None:
        self._channel.queue_purge(self.servers.queue)

    def require(self, count: int, queue: str | None = None) -> None:
        """That so many messages are in the queue: what was published and not kept is no result."""
        queue = queue or self.servers.queue
        deadline = time.monotonic() + SETTLED_SECONDS
        while (found := self._count(queue)) != count:
            if time.monotonic() > deadline:
                raise AssertionError(f"{found} messages are in {queue}, {count} should be")
            self._connection.sleep(0.05)

    def _count(self, queue: str) -> int:
        return int(self._channel.queue_declare(queue, passive=True).method.message_count)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.queue_delete(self.servers.queue)
        self._channel.exchange_delete(self.servers.exchange)
        self._connection.close()


def _parameters(url: str) -> pika.URLParameters:
    """Without heartbeats: it is silent while others measure."""
    parameters = pika.URLParameters(url)
    parameters.heartbeat = 0
    return parameters
