"""Reads and copies the properties of a message, which may come from any program, as bytes.

pika decodes all properties when a message arrives, changes floats to integers, and loses the connection if it cannot
decode them. Here they are decoded when they are needed, and copied byte by byte.
https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, section 4.2.6.1; https://www.rabbitmq.com/docs/amqp-0-9-1-errata
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from struct import Struct, error
from typing import Any

from pika import BasicProperties
from pika.data import encode_table

from publisher.wire.frames import PERSISTENT

MORE_FLAGS = 1
TEXT, TABLE, OCTET, TIME = "text", "table", "octet", "time"
HEADERS, DELIVERY_MODE = BasicProperties.FLAG_HEADERS, BasicProperties.FLAG_DELIVERY_MODE
# By flag, in the order in which the properties are encoded.
KINDS = {
    BasicProperties.FLAG_CONTENT_TYPE: TEXT,
    BasicProperties.FLAG_CONTENT_ENCODING: TEXT,
    BasicProperties.FLAG_HEADERS: TABLE,
    BasicProperties.FLAG_DELIVERY_MODE: OCTET,
    BasicProperties.FLAG_PRIORITY: OCTET,
    BasicProperties.FLAG_CORRELATION_ID: TEXT,
    BasicProperties.FLAG_REPLY_TO: TEXT,
    BasicProperties.FLAG_EXPIRATION: TEXT,
    BasicProperties.FLAG_MESSAGE_ID: TEXT,
    BasicProperties.FLAG_TIMESTAMP: TIME,
    BasicProperties.FLAG_TYPE: TEXT,
    BasicProperties.FLAG_USER_ID: TEXT,
    BasicProperties.FLAG_APP_ID: TEXT,
    BasicProperties.FLAG_CLUSTER_ID: TEXT,
}
# Properties that a copy must not have: it has another sender, and expiration and priority were for the old queue.
LEFT_OUT = (
    BasicProperties.FLAG_PRIORITY
    | BasicProperties.FLAG_REPLY_TO
    | BasicProperties.FLAG_EXPIRATION
    | BasicProperties.FLAG_USER_ID
    | BasicProperties.FLAG_CLUSTER_ID
)
# A copy of a question keeps `reply_to`, since the answer goes to whoever asked.
LEFT_OUT_OF_QUESTION = LEFT_OUT & ~BasicProperties.FLAG_REPLY_TO
# Headers with further routing keys. A copy goes without them, since the message has been to those queues already.
# https://www.rabbitmq.com/docs/sender-selected
ALSO_TO = frozenset((b"CC", b"BCC"))
TEXTS = (
    "content_type", "content_encoding", "correlation_id", "reply_to", "expiration", "message_id", "type", "user_id",
    "app_id", "cluster_id",
)  # fmt: skip
CUT_OFF = "they end before they should"
# The length of those kinds of property that have a fixed one.
BYTES = {OCTET: 1, TIME: 8}
# The length of a header's value, by the letter of its type. The types in SIZED begin with their length.
SIZES = {
    **dict.fromkeys(b"V", 0),
    **dict.fromkeys(b"tbB", 1),
    **dict.fromkeys(b"Uus", 2),
    **dict.fromkeys(b"Iif", 4),
    **dict.fromkeys(b"D", 5),
    **dict.fromkeys(b"LldT", 8),
}
SIZED = frozenset(b"SxAF")

_flags = Struct(">H")
_size = Struct(">L")


class Unreadable(ValueError):
    """The properties cannot be decoded: the program that sent them is wrong, or hostile."""


def read(raw: bytes) -> BasicProperties:
    """The decoded properties. Raises Unreadable for anything that is wrong."""
    properties = BasicProperties()
    try:
        properties.decode(raw)
        # pika does not notice when a length is wrong.
        for flag, start, end in _fields(raw):
            if flag == HEADERS:
                list(_entries(raw, start + _size.size, end))
    except Exception as exc:
        # pika may raise anything here, as RecursionError, OverflowError or its own errors.
        raise Unreadable(f"{type(exc).__name__}: {exc}"[:200]) from exc
    for name in TEXTS:
        if isinstance(getattr(properties, name), bytes):
            raise Unreadable(f"{name} is not text")
    return properties


def has_headers(raw: bytes) -> bool:
    return bool(raw and raw[0] << 8 & HEADERS)


def check(raw: bytes) -> None:
    """Raises Unreadable where `read` does, but is faster for properties without headers."""
    if has_headers(raw):
        read(raw)
        return
    at = _flags.size
    try:
        for size in _sizes(raw[:at]):
            if size:
                at += size
            else:
                start, at = at + 1, at + 1 + raw[at]
                raw[start:at].decode()
    except (ValueError, error, IndexError) as exc:
        raise Unreadable(f"{type(exc).__name__}: {exc}") from exc
    if at > len(raw):
        raise Unreadable(CUT_OFF)


def copied(
    raw: bytes, headers: Mapping[str, Any], without: tuple[bytes, ...] = (), *, left_out: int = LEFT_OUT
) -> bytes:
    """A copy of the properties, persistent, with these headers added (None removes one); the others stay as they are.

    It lacks the properties whose flags are in `left_out`, the old headers whose names begin with one of `without`, and
    the headers CC and BCC. Raises an error of any kind if the properties are wrong: `check` them first.
    """
    replaced = ALSO_TO.union(name.encode() for name in headers)
    parts, kept = {}, []
    for flag, start, end in _fields(raw):
        if flag == HEADERS:
            entries = _entries(raw, start + _size.size, end)
            kept = [entry for name, entry in entries if name not in replaced and not name.startswith(without)]
        elif not flag & left_out:
            parts[flag] = raw[start:end]
    return _list(parts, b"".join((*kept, _encoded(headers))))


def made(headers: Mapping[str, Any]) -> bytes:
    """Persistent properties with only these headers."""
    return _list({}, _encoded(headers))


def _list(parts: dict[int, bytes], headers: bytes) -> bytes:
    parts = {**parts, DELIVERY_MODE: PERSISTENT}
    if headers:
        parts[HEADERS] = _size.pack(len(headers)) + headers
    return b"".join((_flags.pack(sum(parts)), *(parts[flag] for flag in KINDS if flag in parts)))


def _encoded(headers: Mapping[str, Any]) -> bytes:
    """The entries of a table, without its size."""
    pieces: list[bytes] = []
    encode_table(pieces, {name: value for name, value in headers.items() if value is not None})
    return b"".join(pieces[1:])


def _fields(raw: bytes) -> Iterator[tuple[int, int, int]]:
    """Flag, start and end of each property that is present."""
    (flags,) = _flags.unpack_from(raw)
    at = _flags.size
    for flag, kind in _present(flags):
        if kind is TEXT:
            end = at + 1 + raw[at]
        elif kind is TABLE:
            end = at + _size.size + _size.unpack_from(raw, at)[0]
        else:
            end = at + BYTES[kind]
        if end > len(raw):
            raise Unreadable(CUT_OFF)
        yield flag, at, end
        at = end


@lru_cache(maxsize=256)
def _present(flags: int) -> tuple[tuple[int, str], ...]:
    if flags & MORE_FLAGS:
        raise Unreadable("there are flags that AMQP 0-9-1 does not know")
    return tuple((flag, kind) for flag, kind in KINDS.items() if flags & flag)


@lru_cache(maxsize=256)
def _sizes(flags: bytes) -> tuple[int, ...]:
    """The length of each property that is present; 0 for a text, which begins with its length."""
    return tuple(BYTES.get(kind, 0) for _, kind in _present(*_flags.unpack(flags)))


def _entries(raw: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """The name and the bytes of each entry of a table. Values are not decoded."""
    while at < end:
        value = at + 1 + raw[at]
        kind, after = raw[value], value + 1
        if kind in SIZED:
            after += _size.size + _size.unpack_from(raw, after)[0]
        else:
            after += SIZES[kind]
        yield raw[at + 1 : value], raw[at:after]
        at = after
    if at > end:
        raise Unreadable("a header is longer than all of them")
