"""One AMQP connection over pika's SelectConnection, driven by the thread that owns it.

pika's BlockingConnection waits for the answer to each publish. Here the owner's thread polls pika's I/O loop itself, so
that it can handle confirms, deliveries and its own work in turn, without locks.
"""

import logging
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from pika.channel import Channel
from pika.exceptions import AMQPError, ChannelClosed, ChannelClosedByBroker, StreamLostError

from publisher.wire.connecting import hosts_of, open_any
from publisher.wire.errors import BrokerRefused, BrokerUnavailable
from publisher.wire.loop import Loop
from publisher.wire.reading import Contents, OnContent
from publisher.wire.topology import Binding, Exchange, Queue, Topology
from publisher.wire.translation import translated
from publisher.wire.url import OPEN_SECONDS

EMIT_BYTES = 65_536
CLOSE_SECONDS = 3.0
# The bytes of a header's frame before the properties: class, weight, and the body's size.
HEADER_BYTES = 12
PRESENT = "present"
MISSING = "missing"

# pika logs lost connections with tracebacks; the errors raised here say the same.
logging.getLogger("pika").setLevel(logging.CRITICAL)


class Connection:
    """An open connection. Every method may raise BrokerUnavailable or BrokerRefused once the broker is gone."""

    def __init__(self, url: str, name: str, loop: Loop | None = None) -> None:
        """Connects to the first host of `url` that answers, waiting at most 15 seconds for all of them together.

        RabbitMQ's management console lists the connection under `name`.
        """
        hosts = hosts_of(url, name)
        self.owns_loop = loop is None
        self.loop = loop or Loop()
        self.blocked = False
        self.lost: BaseException | None = None
        # Whether `close` ends the connection as AMQP has it, or just drops it. When the only active consumer of an
        # ordered queue is dropped, the next consumer gets its unacknowledged messages before the messages behind them.
        # After a proper close, RabbitMQ 3.10 to 4.0 deliver those behind them first.
        self.says_goodbye = True
        try:
            self.address, self._amqp = open_any(hosts, self.loop)
        except BaseException:
            self._release()
            raise
        self._amqp.add_on_close_callback(self._on_close)
        self._amqp.add_on_connection_blocked_callback(lambda *_: self._set_blocked(True))
        self._amqp.add_on_connection_unblocked_callback(lambda *_: self._set_blocked(False))

    def _on_close(self, _: object, reason: BaseException) -> None:
        self.lost = reason

    def _set_blocked(self, blocked: bool) -> None:
        self.blocked = blocked

    @property
    def is_open(self) -> bool:
        return self.lost is None and self._amqp.is_open

    @property
    def unsent_bytes(self) -> int:
        """How many bytes wait in this process until the socket takes them."""
        return int(self._amqp._get_write_buffer_size()) if self.is_open else 0  # type: ignore[attr-defined]

    @property
    def body_max(self) -> int:
        """How many bytes of a body fit into one frame."""
        return int(self._amqp._body_max_length)  # type: ignore[attr-defined]

    @property
    def properties_max(self) -> int:
        """How many bytes of properties fit into a header's frame."""
        return self.body_max - HEADER_BYTES

    def emit(self, frames: Iterable[bytes]) -> None:
        """Hand frames to the socket, many at once: a system call costs more than a frame."""
        chunk: list[bytes] = []
        size = 0
        for frame in frames:
            chunk.append(frame)
            size += len(frame)
            if size > EMIT_BYTES:
                self._emit(chunk)
                chunk, size = [], 0
        if chunk:
            self._emit(chunk)

    def _emit(self, frames: list[bytes]) -> None:
        data = b"".join(frames)
        amqp: Any = self._amqp
        amqp.bytes_sent += len(data)
        amqp.frames_sent += len(frames)
        amqp._adapter_emit_data(data)

    def poll(self, timeout_seconds: float) -> None:
        self.loop.poll(timeout_seconds)
        self.check()

    def check(self) -> None:
        """Raises when the connection was lost."""
        if self.lost is not None:
            raise translated(self.lost, self.address) from self.lost

    def translated(self, reason: BaseException) -> BrokerUnavailable | BrokerRefused:
        return translated(reason, self.address)

    def wait_for(self, is_done: Callable[[], object], timeout_seconds: float = OPEN_SECONDS) -> None:
        """Polls until `is_done`. Raises BrokerUnavailable when that takes too long."""
        deadline = time.monotonic() + timeout_seconds
        while not is_done():
            if time.monotonic() > deadline:
                raise BrokerUnavailable(f"no answer from {self.address} within {timeout_seconds:g} seconds")
            self.poll(0.5)

    def open_channel(
        self, on_close: Callable[[BaseException], None] | None = None, *, timeout_seconds: float = OPEN_SECONDS
    ) -> Channel:
        """Open a channel. When the broker closes it, `on_close` is called; without one, the next `check` raises."""
        opened: list[Channel] = []
        self.check()
        channel = self._amqp.channel(on_open_callback=opened.append)
        channel.add_on_close_callback(lambda _, reason: (on_close or self._on_channel_close)(reason))
        self.wait_for(lambda: opened, timeout_seconds)
        return channel

    def prove_alive(self, timeout_seconds: float) -> None:
        """Raises BrokerUnavailable when the broker does not answer in time. `close` then just drops the connection."""
        self.says_goodbye = False
        self.open_channel(timeout_seconds=timeout_seconds).close()
        self.says_goodbye = True

    def read_contents(self, channel: Channel, on_content: OnContent) -> None:
        """Have `on_content` called with what is delivered on this channel, in the connection's thread."""
        number = channel.channel_number
        self._amqp.contents[number] = Contents(on_content)
        channel.add_on_close_callback(lambda *_: self._amqp.contents.pop(number, None))

    def _on_channel_close(self, reason: BaseException) -> None:
        if isinstance(reason, ChannelClosedByBroker):
            self.lost = reason

    def declare(self, topology: Topology) -> None:
        """Declare what does not exist yet. Raises BrokerRefused where something exists with other arguments."""
        channel = self.open_channel()
        for exchange in topology.exchanges:
            self._ask(channel.exchange_declare, exchange.name, exchange.kind, durable=True)
        for queue in topology.queues:
            self._ask(channel.queue_declare, queue.name, durable=True, arguments=dict(queue.arguments))
        for binding in topology.bindings:
            self._ask(channel.queue_bind, binding.queue, binding.exchange, binding.key)
        channel.close()

    def unbind(self, bindings: Iterable[Binding]) -> None:
        """Remove these bindings. One that does not exist is no error."""
        channel = self.open_channel()
        for binding in bindings:
            self._ask(channel.queue_unbind, binding.queue, binding.exchange, binding.key)
        channel.close()

    def delete_queue(self, queue: str) -> None:
        """Delete a queue with its messages. One that does not exist is no error."""
        channel = self.open_channel()
        self._ask(channel.queue_delete, queue)
        channel.close()

    def delete_unused(self, queue: str) -> bool:
        """Delete a queue with its messages, unless it has a consumer. Returns whether it was deleted."""
        # The consumers are counted first, since RabbitMQ refuses `if_unused` for quorum queues.
        return not self.count_consumers(queue) and not isinstance(self._try("queue_delete", queue), ChannelClosed)

    def count_messages(self, queue: str) -> int | None:
        """How many messages are ready in a queue; None when there is no such queue."""
        return self._count(queue, "message_count")

    def count_consumers(self, queue: str) -> int | None:
        """How many consumers a queue has; None when there is no such queue."""
        return self._count(queue, "consumer_count")

    def _count(self, queue: str, what: str) -> int | None:
        answer = self._try("queue_declare", queue, passive=True)
        return None if isinstance(answer, ChannelClosed) else int(getattr(answer.method, what))

    def state_of_exchange(self, exchange: Exchange) -> str:
        """PRESENT, MISSING, or what differs, in the broker's words."""
        return self._state("exchange_declare", exchange.name, exchange_type=exchange.kind, durable=True)

    def state_of_queue(self, queue: Queue) -> str:
        """PRESENT, MISSING, or what differs, in the broker's words."""
        return self._state("queue_declare", queue.name, durable=True, arguments=dict(queue.arguments))

    def _state(self, declare: str, name: str, **properties: Any) -> str:
        if isinstance(self._try(declare, name, passive=True), ChannelClosed):
            return MISSING
        # It exists, so this declaration creates nothing: the broker compares the arguments.
        answer = self._try(declare, name, **properties)
        return answer.reply_text if isinstance(answer, ChannelClosed) else PRESENT

    def _try(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """The broker's answer, or ChannelClosed if it refused. It has its own channel, since a refusal closes that."""
        answers: list[Any] = []
        channel = self.open_channel(on_close=answers.append)
        getattr(channel, method)(*args, callback=answers.append, **kwargs)
        self.wait_for(lambda: answers)
        if channel.is_open:
            channel.close()
        return answers[0]

    def _ask(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        answers: list[Any] = []
        method(*args, callback=answers.append, **kwargs)
        self.wait_for(lambda: answers)
        return answers[0]

    def close(self) -> None:
        """Close the connection, within 3 seconds. Never raises."""
        try:
            if self._amqp.is_open and self.says_goodbye:
                self._amqp.close()
            deadline = time.monotonic() + CLOSE_SECONDS
            while self._amqp.is_closing and time.monotonic() < deadline:
                self.loop.poll(0.1)
            if not self._amqp.is_closed:
                self._amqp._terminate_stream(StreamLostError("no goodbye"))  # type: ignore[attr-defined]
                self.loop.poll(0)
        except (AMQPError, OSError):
            pass
        finally:
            self._release()

    def _release(self) -> None:
        if self.owns_loop:
            self.loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
