"""Reads deliveries off a connection, straight from its bytes.

pika takes 4 KiB at a time, cuts its buffer anew for each frame, and makes objects of all that a frame holds before
anybody sees it: that is most of what a message costs, and a header that cannot be decoded costs the connection. Here a
delivery is cut out of what came, and its properties stay bytes. All other frames go pika's way.
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
# From the end of a method to its content's properties.
_header = Struct(">xBHLHHQ")
_tag = Struct(">QB")
_body_size = Struct(">Q").unpack_from
# Class, weight and the body's size come before the properties.
BODY_SIZE_AT, PROPERTIES_AT = 4, 12
# From a method's end to what the next frame holds.
HEADER_AT = END_BYTES + HEAD_BYTES


class RoutingKey(NamedTuple):
    """What a message was published under; `flaw` is what is wrong with that, and empty for most."""

    text: str
    flaw: str


# The consumer's tag, the delivery's tag, whether it was given out before, its key, properties as they came, body.
OnContent = Callable[[bytes, int, bool, RoutingKey, bytes, bytes], None]


class Contents:
    """Puts one channel's deliveries together from their frames."""

    __slots__ = ("_delivery", "_missing", "_on_content", "_parts", "_properties")

    def __init__(self, on_content: OnContent) -> None:
        self._on_content = on_content
        self._delivery = self._properties = b""
        self._missing = 0
        self._parts: list[bytes] = []

    def whole(self, channel: int, data: bytes, start: int, end: int) -> int:
        """Where a delivery ends whose method is between `start` and `end`, when all of it is here, in three frames, as
        most are. Else 0: then it is to be read frame by frame.
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
        """Whether this frame, between `start` and `end`, is part of a delivery."""
        if kind == FRAME_METHOD:
            if data[start : start + 4] != DELIVER:
                return False
            self._delivery = data[start + 4 : end]
        elif not self._delivery:
            return False  # of a message that came back, or was asked for
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
    # The exchange's name comes before it.
    key = raw[1 + raw[0] + 1 :]
    try:
        return RoutingKey(key.decode(), "")
    except UnicodeDecodeError:
        return RoutingKey(key.decode(errors="backslashreplace"), "the routing key is not text")


class ReadingConnection(SelectConnection):
    """pika's connection; deliveries on the channels in `contents` are read here."""

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
        # Heartbeats are not missed as long as this grows.
        pika.bytes_received += read

    def _read(self, data: bytes, process: Callable[[Any], None]) -> int:
        """Hand on each frame that is whole; where the first begins that is not."""
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
    """For pika, which has to have something to call."""
