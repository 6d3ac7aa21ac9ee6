"""Makes the bytes of a publish.

pika makes three frame objects for each message and sends them one by one. That takes longer than the broker needs.
These are the same bytes (a test compares them) in one piece, so that one `send` can carry many messages.
https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, sections 2.3.5 and 4.2
"""

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct

import msgspec
from pika import frame, spec
from pika.spec import FRAME_BODY, FRAME_END, FRAME_HEADER

END = bytes((FRAME_END,))
# The flags of properties: every message here has a delivery_mode, and may have the others.
DELIVERY_MODE = spec.BasicProperties.FLAG_DELIVERY_MODE
CONTENT_TYPE = spec.BasicProperties.FLAG_CONTENT_TYPE
CORRELATION_ID = spec.BasicProperties.FLAG_CORRELATION_ID
MESSAGE_ID = spec.BasicProperties.FLAG_MESSAGE_ID
TIMESTAMP = spec.BasicProperties.FLAG_TIMESTAMP
TYPE = spec.BasicProperties.FLAG_TYPE
APP_ID = spec.BasicProperties.FLAG_APP_ID

PERSISTENT = b"\x02"

_frame = Struct(">BHL").pack
_content = Struct(">HH").pack
_flags = Struct(">H").pack
_long = Struct(">Q").pack
# The parts of a header's frame before the properties: class, weight and the body's size together; then the flags.
CONTENT_BYTES, FLAGS_BYTES = 12, 2


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A persistent message for an exchange (None: the sender's own). `timestamp` is in seconds since 1970.

    `properties` are encoded properties, as those of another message. They replace all other properties here, even the
    delivery mode; `message_id` must be the one in them, by which the message is known when the broker returns it.
    """

    routing_key: str
    body: bytes
    exchange: str | None = None
    content_type: str | None = None
    correlation_id: str | None = None
    message_id: str | None = None
    type: str | None = None
    app_id: str | None = None
    timestamp: int | None = None
    properties: bytes | None = None


def publish(channel: int, exchange: str, message: Message, body_max: int) -> bytes:
    """The frames of a mandatory publish: method, header and body. Raises ValueError for a text that is too long."""
    size = _long(len(message.body))
    method = _method(channel, message.exchange or exchange, message.routing_key)
    return b"".join((method, *_header(channel, message, size), *_bodies(channel, message.body, body_max)))


def _bodies(channel: int, body: bytes, body_max: int) -> Sequence[bytes]:
    if 0 < len(body) <= body_max:
        return _frame(FRAME_BODY, channel, len(body)), body, END
    parts = (body[start : start + body_max] for start in range(0, len(body), body_max))
    return [piece for part in parts for piece in (_frame(FRAME_BODY, channel, len(part)), part, END)]


@lru_cache(maxsize=4096)
def _method(channel: int, exchange: str, routing_key: str) -> bytes:
    method = spec.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=True)
    short(exchange)
    short(routing_key)
    return frame.Method(channel, method).marshal()


def _header(channel: int, message: Message, size: bytes) -> Sequence[bytes]:
    if message.properties is not None:
        start = _frame(FRAME_HEADER, channel, CONTENT_BYTES + len(message.properties)) + _content(spec.Basic.INDEX, 0)
        return start, size, message.properties, END
    correlation = b"" if message.correlation_id is None else short(message.correlation_id)
    identity = b"" if message.message_id is None else short(message.message_id)
    stamp = b"" if message.timestamp is None else _long(message.timestamp)
    start, before, after = _same_for_many(
        channel, len(correlation), len(identity), len(stamp), message.content_type, message.type, message.app_id
    )
    return start, size, before, correlation, identity, stamp, after


@lru_cache(maxsize=4096)
def _same_for_many(
    channel: int,
    correlation: int,
    identity: int,
    stamp: int,
    content_type: str | None,
    type: str | None,
    app_id: str | None,
) -> tuple[bytes, bytes, bytes]:
    """The parts of the header that many messages share: before the body's size, after it, and at the end.

    Between them are the two ids and the timestamp; `correlation`, `identity` and `stamp` are their lengths in bytes.
    """
    flags, before, after = DELIVERY_MODE, PERSISTENT, b""
    if content_type is not None:
        flags |= CONTENT_TYPE
        before = short(content_type) + before
    if correlation:
        flags |= CORRELATION_ID
    if identity:
        flags |= MESSAGE_ID
    if stamp:
        flags |= TIMESTAMP
    if type is not None:
        flags |= TYPE
        after += short(type)
    if app_id is not None:
        flags |= APP_ID
        after += short(app_id)
    size = CONTENT_BYTES + FLAGS_BYTES + len(before) + correlation + identity + stamp + len(after)
    return _frame(FRAME_HEADER, channel, size) + _content(spec.Basic.INDEX, 0), _flags(flags) + before, after + END


def short(text: str) -> bytes:
    """A short string of AMQP. Raises ValueError if the text has more than 255 bytes."""
    data = text.encode()
    if len(data) > 255:
        raise ValueError(f"AMQP's short strings hold 255 bytes, {text[:40]!r}... has {len(data)}")
    return bytes((len(data),)) + data
