"""Takes messages from queues, and acknowledges them, as many as possible with one frame."""

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

# Old brokers read these again on a republished message, and may drop it as a cycle.
BROKERS_OWN = (b"x-death", b"x-first-death", b"x-last-death", b"x-delivery-count", b"x-acquired-count")
# Beside a republished message that had to go without the properties it came with: why.
UNREADABLE = "x-unreadable"
NO_HEADERS: Mapping[str, Any] = {}

_settling = Struct(">BHLLQBB")
SETTLING_BYTES = 13
MULTIPLE, REQUEUE = 1, 2


class Delivery:
    """A message as a queue handed it over. `tag` means something to the intake it came by, and to no other.

    Nobody has looked at the properties yet: what a stranger wrote there is read when it is asked for.
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
        """Why key or properties cannot be read; empty when they can."""
        if self._flaw is None:
            try:
                check(self.raw_properties)
                self._flaw = self.key.flaw
            except Unreadable as exc:
                self._flaw = f"the properties cannot be read: {exc}"
        return self._flaw

    @property
    def properties(self) -> BasicProperties:
        """Empty where they cannot be read."""
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
        # In the order they came, which is that of the tags.
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
        """Take from this queue, at most `prefetch` unacknowledged at a time."""
        ready: list[object] = []
        # It holds for the consumers that begin after it: each queue has its own.
        self._channel.basic_qos(prefetch_count=prefetch, callback=ready.append)
        tag = self._channel.basic_consume(queue, is_read_elsewhere, callback=ready.append)
        self._consumer_tags[queue] = tag
        self._queues[tag.encode()] = queue
        self.connection.wait_for(lambda: len(ready) == 2)

    def pause(self, queue: str) -> None:
        """Take no more from this queue for now."""
        if queue in self._consumer_tags:
            tag = self._consumer_tags.pop(queue)
            del self._queues[tag.encode()]
            self._channel.basic_cancel(tag)

    def resume(self, queue: str, prefetch: int) -> None:
        """Take from it, unless it does."""
        if queue not in self._consumer_tags:
            self.consume(queue, prefetch)

    def cancel(self, queues: Iterable[str]) -> None:
        """Take no more from these; returns when the broker has agreed. What comes until then is handed over."""
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
            # It was on its way when its queue was paused.
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
        """All up to the lowest that is not finished with one frame; those beyond it one by one."""
        new = self._settle(tags)
        if not new:
            return
        new.sort()
        lowest = next(iter(self.unacked), new[-1] + 1)
        # A frame must name a tag that is still open: one below `lowest` may have been acknowledged before.
        beyond = [tag for tag in new if tag > lowest]
        frames = [self._frame(Basic.Ack.INDEX, tag, 0) for tag in beyond]
        if len(beyond) < len(new):
            frames.insert(0, self._frame(Basic.Ack.INDEX, new[len(new) - len(beyond) - 1], MULTIPLE))
        self.connection.check()
        self.connection.emit(frames)

    def give_back(self, tags: Iterable[int]) -> None:
        """To the queue, for another consumer: what was taken and not begun."""
        new = self._settle(tags)
        self.connection.check()
        self.connection.emit([self._frame(Basic.Nack.INDEX, tag, REQUEUE) for tag in new])

    def reject(self, tags: Iterable[int]) -> None:
        """Out of the queue, and to where its own dead-lettering sends them."""
        new = self._settle(tags)
        self.connection.check()
        self.connection.emit([self._frame(Basic.Nack.INDEX, tag, 0) for tag in new])

    def wait_for_acks(self) -> None:
        """Returns when the broker has all that were sent: a connection may end without a goodbye then."""
        answered: list[object] = []
        self._channel.basic_qos(callback=answered.append)
        self.connection.wait_for(lambda: answered)

    def _settle(self, tags: Iterable[int]) -> list[int]:
        """Those of them that are open, each once; they are not any more."""
        unacked, new = self.unacked, []
        for tag in tags:
            if tag in unacked:
                del unacked[tag]
                new.append(tag)
        return new

    def _frame(self, method: int, tag: int, bits: int) -> bytes:
        return _settling.pack(FRAME_METHOD, self._number, SETTLING_BYTES, method, tag, bits, FRAME_END)


def republished(delivery: Delivery, exchange: str, routing_key: str, headers: dict[str, Any]) -> Message:
    """The same message to another exchange, with these headers (None: without): body and the rest untouched.

    Without its properties where they cannot be read, and a header that says so.
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
