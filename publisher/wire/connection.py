"""One AMQP connection over pika's SelectConnection, driven by the thread that owns it.

pika's BlockingConnection waits a round trip per confirm; driving the I/O loop by hand, as it does inside, lets
confirms, deliveries and the owner's own work share one thread without locks. pika is imported in this package alone.
"""

# For an address: asked for by the first connection, in a thread whose process may fork meanwhile.
import encodings.idna  # noqa: F401
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import pika
from pika.channel import Channel
from pika.exceptions import AMQPError, ChannelClosed, ChannelClosedByBroker, StreamLostError

from publisher.wire.errors import BrokerRefused, BrokerUnavailable
from publisher.wire.hosts import each_host
from publisher.wire.loop import Loop
from publisher.wire.reading import Contents, OnContent, ReadingConnection
from publisher.wire.topology import Binding, Exchange, Queue, Topology
from publisher.wire.translation import translated
from publisher.wire.url import OPEN_SECONDS, address_of, parameters_of

EMIT_BYTES = 65_536
CLOSE_SECONDS = 3.0
# What a header has beside the properties: class, weight, and the body's size.
HEADER_BYTES = 12
PRESENT = "present"
MISSING = "missing"

# What pika says of a lost connection is said again by the errors raised here.
logging.getLogger("pika").setLevel(logging.CRITICAL)


class Connection:
    """An open connection. Every method may raise BrokerUnavailable or BrokerRefused once the broker is gone."""

    def __init__(self, url: str, name: str, loop: Loop | None = None) -> None:
        """Connects to `url`, or to the first of its hosts that answers, waiting at most 15 seconds.

        The console lists the connection as `name`.
        """
        # What is wrong with any of them is told before one is asked.
        hosts = [(host, parameters_of(host, name)) for host in each_host(url)]
        self.owns_loop = loop is None
        self.loop = loop or Loop()
        self.blocked = False
        self.lost: BaseException | None = None
        # Without one, a single active consumer's unacknowledged messages go to the next one before those behind them.
        # After one RabbitMQ 3.10 to 4.0 give out the latter first.
        self.says_goodbye = True
        try:
            self.address, self._amqp = self._connect_to_any(hosts)
        except BaseException:
            self._release()
            raise

    def _connect_to_any(self, hosts: Sequence[tuple[str, pika.connection.Parameters]]) -> tuple[str, ReadingConnection]:
        away: list[BrokerUnavailable] = []
        for host, parameters in hosts:
            address = address_of(host)
            try:
                return address, self._connect(address, parameters, OPEN_SECONDS / len(hosts))
            except BrokerUnavailable as exc:
                away.append(exc)
        raise BrokerUnavailable("; ".join(map(str, away))) from away[-1]

    def _connect(self, address: str, parameters: pika.connection.Parameters, seconds: float) -> ReadingConnection:
        done: list[Any] = []
        workflow = ReadingConnection.create_connection([parameters], done.append, self.loop.ioloop)
        deadline = time.monotonic() + seconds
        while not done and time.monotonic() < deadline:
            self.loop.poll(0.5)
        if not done:
            _abandon(workflow)
            raise BrokerUnavailable(f"no answer from {address} within {seconds:g} seconds")
        if isinstance(done[0], BaseException):
            raise translated(done[0], address) from done[0]
        amqp: ReadingConnection = done[0]
        amqp.add_on_close_callback(self._on_close)
        amqp.add_on_connection_blocked_callback(lambda *_: self._set_blocked(True))
        amqp.add_on_connection_unblocked_callback(lambda *_: self._set_blocked(False))
        return amqp

    def _on_close(self, _: object, reason: BaseException) -> None:
        self.lost = reason

    def _set_blocked(self, blocked: bool) -> None:
        self.blocked = blocked

    @property
    def is_open(self) -> bool:
        return self.lost is None and self._amqp.is_open

    @property
    def unsent_bytes(self) -> int:
        """What waits in the process for the socket to take it."""
        return int(self._amqp._get_write_buffer_size()) if self.is_open else 0  # type: ignore[attr-defined]

    @property
    def body_max(self) -> int:
        """The bytes of a body that one frame holds."""
        return int(self._amqp._body_max_length)  # type: ignore[attr-defined]

    @property
    def properties_max(self) -> int:
        """The bytes of properties that a header's frame holds."""
        return self.body_max - HEADER_BYTES

    def emit(self, frames: Iterable[bytes]) -> None:
        """Hand frames to the socket, joined: a system call costs more than a frame."""
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
        """A channel; `on_close` is told when the broker closes it, which otherwise shows in the next `check`."""
        opened: list[Channel] = []
        self.check()
        channel = self._amqp.channel(on_open_callback=opened.append)
        channel.add_on_close_callback(lambda _, reason: (on_close or self._on_channel_close)(reason))
        self.wait_for(lambda: opened, timeout_seconds)
        return channel

    def prove_alive(self, timeout_seconds: float) -> None:
        """Raises BrokerUnavailable when the broker does not answer in time; nor is its goodbye waited for then."""
        self.says_goodbye = False
        self.open_channel(timeout_seconds=timeout_seconds).close()
        self.says_goodbye = True

    def read_contents(self, channel: Channel, on_content: OnContent) -> None:
        """What is delivered on this channel goes to `on_content`, as it comes, in the connection's thread."""
        number = channel.channel_number
        self._amqp.contents[number] = Contents(on_content)
        channel.add_on_close_callback(lambda *_: self._amqp.contents.pop(number, None))

    def _on_channel_close(self, reason: BaseException) -> None:
        if isinstance(reason, ChannelClosedByBroker):
            self.lost = reason

    def declare(self, topology: Topology) -> None:
        """Declares what is not there yet. Raises BrokerRefused when something is there with other arguments."""
        channel = self.open_channel()
        for exchange in topology.exchanges:
            self._ask(channel.exchange_declare, exchange.name, exchange.kind, durable=True)
        for queue in topology.queues:
            self._ask(channel.queue_declare, queue.name, durable=True, arguments=dict(queue.arguments))
        for binding in topology.bindings:
            self._ask(channel.queue_bind, binding.queue, binding.exchange, binding.key)
        channel.close()

    def unbind(self, bindings: Iterable[Binding]) -> None:
        """One that is not there is no error."""
        channel = self.open_channel()
        for binding in bindings:
            self._ask(channel.queue_unbind, binding.queue, binding.exchange, binding.key)
        channel.close()

    def delete_queue(self, queue: str) -> None:
        """With what is in it. One that is not there is no error."""
        channel = self.open_channel()
        self._ask(channel.queue_delete, queue)
        channel.close()

    def delete_unused(self, queue: str) -> bool:
        """Deletes a queue, with what is in it; False where somebody takes from it."""
        # Asked first: with `if_unused`, the broker deletes no quorum queues.
        return not self.count_consumers(queue) and not isinstance(self._try("queue_delete", queue), ChannelClosed)

    def count_messages(self, queue: str) -> int | None:
        """How many messages are ready in a queue; None when there is no such queue."""
        return self._count(queue, "message_count")

    def count_consumers(self, queue: str) -> int | None:
        """How many take from a queue; None when there is no such queue."""
        return self._count(queue, "consumer_count")

    def _count(self, queue: str, what: str) -> int | None:
        answer = self._try("queue_declare", queue, passive=True)
        return None if isinstance(answer, ChannelClosed) else int(getattr(answer.method, what))

    def state_of_exchange(self, exchange: Exchange) -> str:
        """PRESENT, MISSING, or in the broker's words what differs."""
        return self._state("exchange_declare", exchange.name, exchange_type=exchange.kind, durable=True)

    def state_of_queue(self, queue: Queue) -> str:
        """PRESENT, MISSING, or in the broker's words what differs."""
        return self._state("queue_declare", queue.name, durable=True, arguments=dict(queue.arguments))

    def _state(self, declare: str, name: str, **properties: Any) -> str:
        if isinstance(self._try(declare, name, passive=True), ChannelClosed):
            return MISSING
        # It is there, so declaring it makes nothing: the broker only compares.
        answer = self._try(declare, name, **properties)
        return answer.reply_text if isinstance(answer, ChannelClosed) else PRESENT

    def _try(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """The broker's answer on a channel of its own, or the ChannelClosed with which it said no."""
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
        """Says goodbye, if it does, within 3 seconds; never raises."""
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


def _abandon(workflow: Any) -> None:
    """Give up on what is not connected yet, and close its socket.

    While the broker's greeting is awaited, pika's `abort` asserts that it is not (1.4.4); what it would do
    then is close the half-open connection.
    """
    try:
        workflow.abort()
    except AssertionError:
        if not workflow._connector._amqp_conn.is_closing:
            workflow._connector._amqp_conn.close()
