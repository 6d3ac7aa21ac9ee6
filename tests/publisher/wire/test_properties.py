"""Properties as strangers write them: read or refused, never more; and copied as they are."""

import struct
from datetime import UTC, datetime
from decimal import Decimal

import pika
import pytest

from publisher.wire.properties import Unreadable, check, copied, read

ALL = {
    "content_type": "text/x", "content_encoding": "gzip", "headers": {"a": 1}, "delivery_mode": 1, "priority": 3,
    "correlation_id": "c", "reply_to": "r", "expiration": "60", "message_id": "ü" * 100, "timestamp": 2**63,
    "type": "t", "user_id": "u", "app_id": "a", "cluster_id": "l",
}  # fmt: skip
COPIED = {"content_type", "content_encoding", "headers", "correlation_id", "message_id", "timestamp", "type", "app_id"}


def encoded(**properties):
    return b"".join(pika.BasicProperties(**properties).encode())


def table(*entries):
    """Properties that are one table with these entries: a name of one letter, a kind, bytes."""
    inside = b"".join(b"\x01" + entry for entry in entries)
    return struct.pack(">HL", pika.BasicProperties.FLAG_HEADERS, len(inside)) + inside


def nested(depth):
    inside = b"aV"
    for _ in range(depth):
        inside = b"aF" + struct.pack(">L", len(inside) + 1) + b"\x01" + inside
    return table(inside)


UNREADABLE = {
    "a year beyond 9999": table(struct.pack(">2sQ", b"aT", 2**62)),
    "a time beyond the platform": table(struct.pack(">2sQ", b"aT", 2**64 - 1)),
    "NaN": table(struct.pack(">2sd", b"ad", float("nan"))),
    "infinity": table(struct.pack(">2sf", b"af", float("inf"))),
    "an unknown kind": table(b"a?1234"),
    "too deep": nested(15_000),
    "longer than it is": table(b"aS\x00\x00\xff\xffx"),
    "cut off": table(b"aI\x00"),
    "bytes for the type": encoded(type="xyz").replace(b"xyz", b"\xff\xfe\xfd"),
    "bytes for the id, beside headers": encoded(message_id="xyz", headers={"a": 1}).replace(b"xyz", b"\xff\xfe\xfd"),
    "an id that is cut off": encoded(message_id="xyz")[:-1],
    "flags of another protocol": b"\x00\x01\x80\x00",
    "no flags": b"",
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_unreadable_is_said_and_nothing_else_raised_when_it_is(what):
    with pytest.raises(Unreadable):
        check(UNREADABLE[what])


@pytest.mark.parametrize("headers", [None, {}, {"a": 1}, {"deep": [[[{"b": b"\xff", "none": None}]]]}])
def test_all_properties_are_read_when_they_are_there(headers):
    raw = encoded(**{**ALL, "headers": headers})
    check(raw)
    properties = read(raw)
    for name, value in {**ALL, "headers": headers}.items():
        assert getattr(properties, name) == value


def test_copy_has_what_belongs_to_the_message_and_is_persistent():
    properties = read(copied(encoded(**ALL), {}))
    for name, value in ALL.items():
        expected = 2 if name == "delivery_mode" else value if name in COPIED else None
        assert getattr(properties, name) == expected, name


def test_copy_replaces_removes_and_adds_headers():
    raw = encoded(headers={"kept": 1, "old": 2, "gone": 3, "x-death-1": 4, "x-death": [{"a": 1}]})
    copy = read(copied(raw, {"old": "new", "gone": None, "added": "ü", "absent": None}, without=(b"x-death",)))
    assert copy.headers == {"kept": 1, "old": "new", "added": "ü"}


def test_copy_has_no_table_when_no_header_is_left():
    assert read(copied(encoded(headers={"gone": 3}), {"gone": None})).headers is None


def test_headers_are_copied_byte_by_byte_whatever_their_kind():
    """pika reads floats as integers, and writes no float at all."""
    entries = [
        struct.pack(">2sd", b"ad", 1.5), struct.pack(">2sf", b"bf", -0.25), b"cV", b"dt\x01", b"eb\xff", b"fB\xff",
        b"gU\xff\xfe", b"hu\xff\xfe", b"is\xff\xfe", struct.pack(">2si", b"jI", -7), struct.pack(">2sI", b"ki", 7),
        struct.pack(">2sq", b"lL", -7), struct.pack(">2sq", b"ml", -7), b"nD\x02\x00\x00\x00\x7b",
        struct.pack(">2sQ", b"oT", int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())), b"pS\x00\x00\x00\x02\xff\xfe",
        b"qx\x00\x00\x00\x02\xff\xfe", b"rA\x00\x00\x00\x03t\x01V", b"sF\x00\x00\x00\x04\x01at\x01",
    ]  # fmt: skip
    raw = table(*entries)
    check(raw)
    copy = copied(raw, {"z": Decimal("1.5")})
    assert table(*entries)[6:] in copy
    assert read(copy).headers["z"] == Decimal("1.5")
