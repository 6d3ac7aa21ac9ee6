"""Reads deliveries directly from the bytes of a connection.

pika receives 4 KiB at a time, copies its buffer for each frame, and decodes everything in it. That takes most of the
time that a message needs, and a header that cannot be decoded ends the connection. Here, deliveries are cut out of the
received bytes, and their properties stay bytes. pika handles all other frames.
https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, sections 2.3.5 and 4.2
"""

from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple

from pika import frame
from pika.adapters.select_connection import SelectConnection
from pika.exceptions import InvalidFrameError
from pika.spec import FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_METHOD, Basic

HEAD_BYTES, END_BYTES = 7, 1
DELIVER = Basic.Deliver.INDEX.to_bytes(4, "big")
RECEIVED_BYTES = 262_144

_head = Struct(">BHL").unpack_from
# From the last byte of the method's frame to the properties in the header's frame.
_header = Struct(">xBHLHHQ")
_tag = Struct(">QB")
_body_size = Struct(">Q").unpack_from
# In the header's frame, class, weight and the body's size come before the properties.
BODY_SIZE_AT, PROPERTIES_AT = 4, 12
# From the end of a method to the content of the next frame.
HEADER_AT = END_BYTES + HEAD_BYTES


class RoutingKey(NamedTuple):
    """A message's routing key. `flaw` says what is wrong with it, and is empty if nothing is."""

    text: str
    flaw: str


# Consumer tag, delivery tag, whether it is redelivered, routing key, encoded properties, body.
OnContent = Callable[[bytes, int, bool, RoutingKey, bytes, bytes], None]


class Contents:
    """Assembles the deliveries of one channel from their frames."""

    __slots__ = ("_delivery", "_missing", "_on_content", "_parts", "_properties")

    def __init__(self, on_content: OnContent) -> None:
        self._on_content = on_content
        self._delivery = self._properties = b""
        self._missing = 0
        self._parts: list[bytes] = []

    def whole(self, channel: int, data: bytes, start: int, end: int) -> int:
        """Read a whole delivery, whose method is between `start` and `end`, and return where it ends.

        Returns 0 if it has not arrived completely, or not in three frames as most: it must be read frame by frame then.
        """
        properties = end + _header.size
        if data[start : start + 4] != DELIVER or len(data) <= properties:
            return 0
        kind, _, size, _, _, body_size = _header.unpack_from(data, end)
        header_end = end + HEADER_AT + size
        body = header_end + END_BYTES + HEAD_BYTES
        body_end = body + body_size
        if kind != FRAME_HEADER or len(data) <= body_end or not data[header_end] == data[body_end] == FRAME_END:
            return 0
        if _head(data, header_end + END_BYTES) != (FRAME_BODY, channel, body_size):
            return 0
        self._hand_on(data[start + 4 : end], data[properties:header_end], data[body:body_end])
        return int(body_end) + END_BYTES

    def takes(self, kind: int, data: bytes, start: int, end: int) -> bool:
        """Read a frame of a delivery. False if the frame, between `start` and `end`, is not part of one."""
        if kind == FRAME_METHOD:
            if data[start : start + 4] != DELIVER:
                return False
            self._delivery = data[start + 4 : end]
        elif not self._delivery:
            return False  # content of a returned message, or of a basic.get
        elif kind == FRAME_HEADER:
            self._properties = data[start + PROPERTIES_AT : end]
            (self._missing,) = _body_size(data, start + BODY_SIZE_AT)
            if not self._missing:
                self._finish(b"")
        else:
            self._add(data[start:end])
        return True

    def _add(self, part: bytes) -> None:
        self._missing -= len(part)
        if self._missing > 0:
            self._parts.append(part)
        elif self._parts:
            self._finish(b"".join((*self._parts, part)))
            self._parts.clear()
        else:
            self._finish(part)

    def _finish(self, body: bytes) -> None:
        delivery, self._delivery = self._delivery, b""
        self._hand_on(delivery, self._properties, body)

    def _hand_on(self, delivery: bytes, properties: bytes, body: bytes) -> None:
        end = 1 + delivery[0]
        tag, is_redelivered = _tag.unpack_from(delivery, end)
        key = _routing_key(delivery[end + _tag.size :])
        self._on_content(delivery[1:end], tag, bool(is_redelivered), key, properties, body)


@lru_cache(maxsize=4096)
def _routing_key(raw: bytes) -> RoutingKey:
    # Skip the name of the exchange.
    key = raw[1 + raw[0] + 1 :]
    try:
        return RoutingKey(key.decode(), "")
    except UnicodeDecodeError:
        return RoutingKey(key.decode(errors="backslashreplace"), "the routing key is not text")


class ReadingConnection(SelectConnection):
    """pika's connection, except that deliveries on the channels in `contents` are read here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.contents: dict[int, Contents] = {}
        super().__init__(*args, **kwargs)

    def _proto_connection_made(self, transport: Any) -> None:
        transport._MAX_RECV_BYTES = RECEIVED_BYTES
        super()._proto_connection_made(transport)  # type: ignore[misc]

    def _on_data_available(self, data_in: bytes) -> None:
        pika: Any = self
        data = pika._frame_buffer + data_in if pika._frame_buffer else data_in
        read = self._read(data, pika._process_frame)
        pika._frame_buffer = data[read:]
        # pika's check of heartbeats takes the connection for dead if this number does not grow.
        pika.bytes_received += read

    def _read(self, data: bytes, process: Callable[[Any], None]) -> int:
        """Handle all complete frames, and return where the first incomplete one begins."""
        at, available, contents = 0, len(data), self.contents
        while available - at > HEAD_BYTES:
            kind, channel, size = _head(data, at)
            start, end = at + HEAD_BYTES, at + HEAD_BYTES + size
            if end >= available:
                break
            if data[end] != FRAME_END:
                raise InvalidFrameError("Invalid FRAME_END marker")
            reader = contents.get(channel)
            if reader is not None and kind == FRAME_METHOD and (after := reader.whole(channel, data, start, end)):
                at = after
                continue
            if reader is None or not reader.takes(kind, data, start, end):
                process(frame.decode_frame(data[at : end + END_BYTES])[1])
            at = end + END_BYTES
        return at


def is_read_elsewhere(*_: object) -> None:
    """The callback that pika requires for a consumer. It is not called, since `contents` gets the deliveries."""
