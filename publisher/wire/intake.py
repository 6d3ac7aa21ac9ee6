"""Consumes from queues, and acknowledges as many messages as possible with one frame."""

from collections.abc import Callable, Iterable, Mapping
from struct import Struct
from typing import Any

from pika import BasicProperties
from pika.spec import FRAME_END, FRAME_METHOD, Basic

from publisher.wire.connection import Connection
from publisher.wire.errors import BrokerUnavailable
from publisher.wire.frames import Message
from publisher.wire.properties import Unreadable, check, copied, has_headers, made, read
from publisher.wire.reading import RoutingKey, is_read_elsewhere

# The broker's own headers: old brokers evaluate them again on a republished message, and may drop it as a cycle.
BROKERS_OWN = (b"x-death", b"x-first-death", b"x-last-death", b"x-delivery-count", b"x-acquired-count")
# The header of a message that was republished without its properties. It says why.
UNREADABLE = "x-unreadable"
NO_HEADERS: Mapping[str, Any] = {}

_settling = Struct(">BHLLQBB")
SETTLING_BYTES = 13
MULTIPLE, REQUEUE = 1, 2


class Delivery:
    """A message as it was delivered. `tag` is only valid for its `intake`.

    The properties, which may be wrong, are decoded when they are first used.
    """

    __slots__ = ("_flaw", "_properties", "body", "intake", "key", "queue", "raw_properties", "redelivered", "tag")

    def __init__(
        self,
        intake: "Intake",
        tag: int,
        queue: str,
        key: RoutingKey,
        redelivered: bool,
        raw_properties: bytes,
        body: bytes,
    ) -> None:
        self.intake = intake
        self.tag = tag
        self.queue = queue
        self.key = key
        self.redelivered = redelivered
        self.raw_properties = raw_properties
        self.body = body
        self._flaw: str | None = None
        self._properties: BasicProperties | None = None

    @property
    def routing_key(self) -> str:
        return self.key.text

    @property
    def flaw(self) -> str:
        """Why the routing key or the properties cannot be read; empty when they can."""
        if self._flaw is None:
            try:
                check(self.raw_properties)
                self._flaw = self.key.flaw
            except Unreadable as exc:
                self._flaw = f"the properties cannot be read: {exc}"
        return self._flaw

    @property
    def properties(self) -> BasicProperties:
        """The decoded properties; empty ones if there is a `flaw`."""
        if self._properties is None:
            self._properties = BasicProperties() if self.flaw else read(self.raw_properties)
        return self._properties

    @property
    def headers(self) -> Mapping[str, Any]:
        return self.properties.headers or NO_HEADERS if has_headers(self.raw_properties) else NO_HEADERS


class Intake:
    """Consumes from queues on one channel. `on_delivery` is called in the connection's thread."""

    def __init__(self, connection: Connection, on_delivery: Callable[[Delivery], None]) -> None:
        self.connection = connection
        # The tags that are not settled, in the order of delivery.
        self.unacked: dict[int, None] = {}
        self._on_delivery = on_delivery
        self._channel = connection.open_channel()
        self._channel.add_on_cancel_callback(self._on_cancelled)
        self._number = self._channel.channel_number
        self._cancelled_by_broker = False
        self._consumer_tags: dict[str, str] = {}
        self._queues: dict[bytes, str] = {}
        connection.read_contents(self._channel, self._on_content)

    def consume(self, queue: str, prefetch: int) -> None:
        """Start consuming from this queue, with at most `prefetch` unacknowledged messages."""
        ready: list[object] = []
        # The limit is for each consumer that starts after this, so each queue has its own.
        self._channel.basic_qos(prefetch_count=prefetch, callback=ready.append)
        tag = self._channel.basic_consume(queue, is_read_elsewhere, callback=ready.append)
        self._consumer_tags[queue] = tag
        self._queues[tag.encode()] = queue
        self.connection.wait_for(lambda: len(ready) == 2)

    def pause(self, queue: str) -> None:
        """Stop consuming from this queue. Messages that still come from it are given back."""
        if queue in self._consumer_tags:
            tag = self._consumer_tags.pop(queue)
            del self._queues[tag.encode()]
            self._channel.basic_cancel(tag)

    def resume(self, queue: str, prefetch: int) -> None:
        """Consume from this queue, unless it is consumed from already."""
        if queue not in self._consumer_tags:
            self.consume(queue, prefetch)

    def cancel(self, queues: Iterable[str]) -> None:
        """Stop consuming from these queues, and wait until the broker agrees. Messages until then are still handled."""
        agreed: list[object] = []
        taken = [queue for queue in queues if queue in self._consumer_tags]
        for queue in taken:
            self._channel.basic_cancel(self._consumer_tags.pop(queue), callback=agreed.append)
        self.connection.wait_for(lambda: len(agreed) == len(taken))

    def _on_content(
        self, consumer: bytes, tag: int, is_redelivered: bool, key: RoutingKey, properties: bytes, body: bytes
    ) -> None:
        self.unacked[tag] = None
        queue = self._queues.get(consumer)
        if queue is None:
            # The message was in flight when its queue was paused.
            self.give_back([tag])
            return
        self._on_delivery(Delivery(self, tag, queue, key, is_redelivered, properties, body))

    def _on_cancelled(self, frame: object) -> None:
        self._cancelled_by_broker = True

    def check(self) -> None:
        """Raises BrokerUnavailable when the broker stopped delivering, as when a queue was deleted."""
        if self._cancelled_by_broker:
            raise BrokerUnavailable("the broker cancelled a consumer: was its queue deleted?")

    def ack(self, tags: Iterable[int]) -> None:
        """Acknowledge with one frame all tags below the lowest that is still open, and each of the others by itself."""
        new = self._settle(tags)
        if not new:
            return
        new.sort()
        lowest = next(iter(self.unacked), new[-1] + 1)
        # The frame for many tags must name one that was open until now. `lowest - 1` may be acknowledged already.
        beyond = [tag for tag in new if tag > lowest]
        frames = [self._frame(Basic.Ack.INDEX, tag, 0) for tag in beyond]
        if len(beyond) < len(new):
            frames.insert(0, self._frame(Basic.Ack.INDEX, new[len(new) - len(beyond) - 1], MULTIPLE))
        self.connection.check()
        self.connection.emit(frames)

    def give_back(self, tags: Iterable[int]) -> None:
        """Return messages to the queue, for another consumer."""
        new = self._settle(tags)
        self.connection.check()
        self.connection.emit([self._frame(Basic.Nack.INDEX, tag, REQUEUE) for tag in new])

    def reject(self, tags: Iterable[int]) -> None:
        """Remove messages from the queue. The broker sends them where the queue's dead-lettering says."""
        new = self._settle(tags)
        self.connection.check()
        self.connection.emit([self._frame(Basic.Nack.INDEX, tag, 0) for tag in new])

    def wait_for_acks(self) -> None:
        """Wait until the broker has all acknowledgements: then the connection may be dropped without being closed."""
        answered: list[object] = []
        self._channel.basic_qos(callback=answered.append)
        self.connection.wait_for(lambda: answered)

    def _settle(self, tags: Iterable[int]) -> list[int]:
        """Remove these tags from `unacked`. Returns those that were in it, each once."""
        unacked, new = self.unacked, []
        for tag in tags:
            if tag in unacked:
                del unacked[tag]
                new.append(tag)
        return new

    def _frame(self, method: int, tag: int, bits: int) -> bytes:
        return _settling.pack(FRAME_METHOD, self._number, SETTLING_BYTES, method, tag, bits, FRAME_END)


def republished(delivery: Delivery, exchange: str, routing_key: str, headers: dict[str, Any]) -> Message:
    """The same message for another exchange, with these headers (None removes one).

    If it has a flaw, or its properties are too large for a frame, it goes without them, and a header says why.
    """
    flaw = delivery.flaw
    if not flaw:
        properties = copied(delivery.raw_properties, headers, without=BROKERS_OWN)
        flaw = "" if len(properties) <= delivery.intake.connection.properties_max else "the properties are too large"
    return Message(
        exchange=exchange,
        routing_key=routing_key,
        body=delivery.body,
        message_id=None if flaw else delivery.properties.message_id,
        properties=made({**headers, UNREADABLE: flaw}) if flaw else properties,
    )
