"""Publishes with confirms, with many messages in flight. Each message is mandatory, and gets an outcome."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Generic, TypeVar

from pika import BasicProperties
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker
from pika.spec import Basic

from publisher.wire.blame import size_taken
from publisher.wire.connection import Connection
from publisher.wire.errors import BrokerUnavailable, MessageRefused
from publisher.wire.frames import Message, publish
from publisher.wire.overdue import Overdue

Token = TypeVar("Token")
# What a returned message is recognised by: its id, or routing key and body if it has none.
Identity = str | tuple[str, bytes]

WINDOW = 2000
ACCESS_REFUSED = 403
# With topic permissions, access is refused for single routing keys, rather than for the exchange.
OF_A_TOPIC = "access to topic"
# Reply codes that are about one message: precondition failed (as when it is too large), and malformed frames.
MESSAGE_CODES = frozenset((311, 406, 501, 502, 505))
UNSENT_BYTES = 1_000_000
# How long to wait for a confirm. A quorum queue without a leader neither confirms nor refuses messages.
CONFIRM_SECONDS = 30.0


class Outcome(Enum):
    CONFIRMED = "confirmed"
    UNROUTABLE = "unroutable"
    NACKED = "nacked"

    # Faster than Enum's `__hash__`, a Python function that would be called twice for each message.
    __hash__ = object.__hash__


class Sender(Generic[Token]):
    """Pipelined publishing on one channel of one connection.

    `send` returns at once; `settled` fills with (token, outcome) while the connection is polled. A token is whatever
    the caller knows the message by. When the connection is lost, messages that are still in `in_flight` have no known
    outcome and must be sent again. `exchange` is for messages that name none.
    """

    def __init__(self, connection: Connection, exchange: str = "", window: int = WINDOW) -> None:
        self.connection = connection
        self.exchange = exchange
        self.window = window
        self.in_flight: dict[int, tuple[Token, Identity]] = {}
        self.settled: deque[tuple[Token, Outcome]] = deque()
        self._returned: Counter[Identity] = Counter()
        self._tag = 0
        self._overdue = Overdue(CONFIRM_SECONDS)
        self._closed: BaseException | None = None
        self._channel = connection.open_channel(on_close=self._on_close)
        self._number = self._channel.channel_number
        self._body_max = connection.body_max
        self._channel.add_on_return_callback(self._on_return)
        selected: list[object] = []
        self._channel.confirm_delivery(self._on_confirm, callback=selected.append)
        connection.wait_for(lambda: selected)

    @property
    def has_room(self) -> bool:
        """Whether another message may be sent now, by the window, the socket, and the broker's alarms."""
        return (
            len(self.in_flight) < self.window
            and not self.connection.blocked
            and self.connection.unsent_bytes < UNSENT_BYTES
        )

    @property
    def is_open(self) -> bool:
        return self._closed is None and self.connection.is_open

    def send(self, token: Token, message: Message) -> None:
        self.send_all([(token, message)])

    def send_all(self, messages: Iterable[tuple[Token, Message]]) -> None:
        """Publish in this order. Raises MessageRefused for one that AMQP cannot carry; those before it are sent."""
        self._check_channel()
        frames: list[bytes] = []
        try:
            for token, message in messages:
                frames.append(self._frames(token, message))
                self._tag += 1
                self.in_flight[self._tag] = (token, message.message_id or (message.routing_key, message.body))
        finally:
            self.connection.emit(frames)

    def _frames(self, token: Token, message: Message) -> bytes:
        try:
            return publish(self._number, self.exchange, message, self._body_max)
        except ValueError as exc:
            raise MessageRefused(str(exc), [token]) from exc

    def poll(self, timeout_seconds: float) -> None:
        """Do I/O, and then `check`. Raises BrokerUnavailable, BrokerRefused or MessageRefused."""
        self.connection.loop.poll(timeout_seconds)
        self.check()

    def check(self) -> None:
        """Raises when the channel or the connection was lost, or when a confirm is overdue."""
        self._check_channel()
        if self.connection.blocked:
            self._overdue.forgive(self._tag)
        elif self._overdue.is_over(next(iter(self.in_flight), None), self._tag):
            raise BrokerUnavailable(f"no confirm within {self._overdue.seconds:g} seconds")

    def _check_channel(self) -> None:
        reason = self._closed or self.connection.lost
        if isinstance(reason, ChannelClosedByBroker | ConnectionClosedByBroker) and _is_of_a_message(reason):
            raise MessageRefused(reason.reply_text, [token for token, _ in self.in_flight.values()]) from reason
        if isinstance(self._closed, ChannelClosedByBroker):
            raise self.connection.translated(self._closed) from self._closed
        self.connection.check()

    def _on_close(self, reason: BaseException) -> None:
        self._closed = reason

    def afresh(
        self, refused: MessageRefused, message_of: Callable[[Token], Message]
    ) -> "tuple[Sender[Token], list[Token]]":
        """Call this after a refusal that closed the channel. Returns a new sender, and the tokens that were too large.

        The new sender takes over `settled`, and sends all other messages again.
        """
        again: Sender[Token] = Sender(self.connection, self.exchange, self.window)
        again.settled.extend(self.settled)
        sizes = [len(message_of(token).body) for token in refused.tokens]
        most = size_taken(str(refused), sizes)
        for token, size in zip(refused.tokens, sizes, strict=True):
            if size <= most:
                again.send(token, message_of(token))
        return again, [token for token, size in zip(refused.tokens, sizes, strict=True) if size > most]

    def close(self) -> None:
        """Close the channel. Call this when nothing is in flight."""
        if self._channel.is_open:
            self._channel.close()

    def flush(self, timeout_seconds: float = 30.0) -> None:
        """Wait until nothing is in flight. Raises BrokerUnavailable after `timeout_seconds`."""
        deadline = time.monotonic() + timeout_seconds
        while self.in_flight:
            if time.monotonic() > deadline:
                raise BrokerUnavailable(f"no confirm within {timeout_seconds:g} seconds")
            self.poll(0.5)

    def _on_return(self, channel: object, method: Basic.Return, properties: BasicProperties, body: bytes) -> None:
        # A basic.return has no delivery tag. It comes before the ack of the same message.
        self._returned[properties.message_id or (method.routing_key or "", body)] += 1

    def _on_confirm(self, frame: Any) -> None:
        method = frame.method
        nacked = isinstance(method, Basic.Nack)
        for tag in self._tags(method.delivery_tag, method.multiple):
            token, identity = self.in_flight.pop(tag)
            self.settled.append((token, self._outcome(identity, nacked)))

    def _tags(self, tag: int, multiple: bool) -> list[int]:
        if not multiple:
            return [tag] if tag in self.in_flight else []
        # `in_flight` is in the order of tags. Tag 0 means all.
        tags = []
        for waiting in self.in_flight:
            if tag and waiting > tag:
                break
            tags.append(waiting)
        return tags

    def _outcome(self, identity: Identity, nacked: bool) -> Outcome:
        if times := self._returned.pop(identity, 0):
            if times > 1:
                self._returned[identity] = times - 1
            return Outcome.UNROUTABLE
        return Outcome.NACKED if nacked else Outcome.CONFIRMED


def _is_of_a_message(reason: ChannelClosedByBroker | ConnectionClosedByBroker) -> bool:
    """Whether this is about one message, rather than about everything that is published here."""
    if reason.reply_code == ACCESS_REFUSED:
        return OF_A_TOPIC in reason.reply_text
    return reason.reply_code in MESSAGE_CODES
