"""Messages that a stranger with a login may send: each must end in the dead letters, and harm nobody else."""

import json
import struct
from dataclasses import dataclass
from typing import Any

KEY = "db.post_save.chaos.entry"
# The flags of AMQP's properties, in the order that their values go on the wire.
CONTENT_TYPE, HEADERS, DELIVERY_MODE = 15, 13, 12
PERSISTENT = b"\x02"
DEPTH = 15_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """`properties` are on the wire as they are here; `body` is its name too: no two have the same."""

    name: str
    properties: bytes
    body: bytes


def event(name: str, **changes: Any) -> dict[str, Any]:
    """One that a handler would take for a save, if nothing were wrong with it."""
    return {
        "specversion": "1.0",
        "id": f"hostile {name}",
        "source": "/stranger",
        "type": "django.db.models.signals.post_save",
        "subject": "chaos.entry/1",
        "partitionkey": "chaos.entry/1",
        "data": {"sender": "chaos.entry", "kwargs": kwargs(f"hostile {name}")},
        **changes,
    }


def kwargs(label: object) -> dict[str, Any]:
    instance = {"model": "chaos.entry", "pk": 1, "fields": {"writer": "stranger", "label": label}}
    return {"created": False, "update_fields": None, "raw": False, "using": "default", "instance": instance}


def data(label: object, **more: Any) -> dict[str, Any]:
    return {"sender": "chaos.entry", "kwargs": kwargs(label), **more}


def text(name: str, **changes: Any) -> bytes:
    return json.dumps(event(name, **changes)).encode()


def properties(values: dict[int, bytes]) -> bytes:
    flags = sum(1 << bit for bit in values)
    return struct.pack(">H", flags) + b"".join(values[bit] for bit in sorted(values, reverse=True))


def short(value: bytes) -> bytes:
    return bytes([len(value)]) + value


def table(*entries: tuple[bytes, bytes]) -> bytes:
    """Of names and values, the values with their type before them."""
    whole = b"".join(short(name) + value for name, value in entries)
    return struct.pack(">L", len(whole)) + whole


def nested(kind: bytes, name: bytes) -> bytes:
    """A table in a table (`F`), where each has one entry of that name, or an array in an array (`A`)."""
    value = b"V"
    for _ in range(DEPTH):
        value = kind + struct.pack(">L", len(name + value)) + name + value
    return value


def moment(seconds: int) -> bytes:
    return b"T" + struct.pack(">Q", seconds)


def plain() -> bytes:
    return properties({CONTENT_TYPE: short(b"application/cloudevents+json"), DELIVERY_MODE: PERSISTENT})


def with_headers(*entries: tuple[bytes, bytes]) -> bytes:
    return properties({HEADERS: table(*entries), DELIVERY_MODE: PERSISTENT})


LABEL_AS_DECIMAL = {"kwargs.instance.fields.label": "decimal"}
DEEP = b"[" * 100_000 + b"]" * 100_000
BODIES: dict[str, bytes] = {
    "no JSON": b"\x80\x04 no JSON",
    "nothing": b"",
    "no event": b'["no", "event"]',
    "deep JSON": DEEP,
    "deep JSON in an event": text("deep").replace(b'"stranger"', DEEP),
    "wrong UTF-8": text("utf8").replace(b"stranger", b"\xff\xfe\xc3\x28"),
    "a number of 6,000 digits": text("digits").replace(b'"pk": 1', b'"pk": ' + b"7" * 6_000),
    "a number beyond a float": text("float").replace(b'"pk": 1', b'"pk": 1e99999'),
    "not a number": text("nan").replace(b'"pk": 1', b'"pk": NaN'),
    "cut off": text("cut")[:-40],
    "no id": text("", id=""),
    "another version": text("version", specversion="9.9"),
    "a signal that is not there": text("signal", type="django.db.models.signals.post_nothing"),
    "types that are none": text("types", data=data("hostile types", types=7)),
    "a value that is not of its type": text("value", data=data("hostile", types=LABEL_AS_DECIMAL)),
}
# RabbitMQ takes these (not a number that is none, nor a type it does not know). pika cannot decode them, and loses its
# connection when it tries.
HEADERS_ALONE: dict[str, bytes] = {
    "tables in tables": with_headers((b"x", nested(b"F", b"\x01x"))),
    "arrays in arrays": with_headers((b"x", nested(b"A", b""))),
    "a time beyond all clocks": with_headers((b"x", moment(2**62))),
    "the year 10000": with_headers((b"x", moment(253_402_300_800))),
    "a time beyond all clocks in an array": with_headers((b"x", b"A" + struct.pack(">L", 9) + moment(2**63))),
}
HOSTILE = (
    *(Hostile(name=name, properties=plain(), body=body) for name, body in BODIES.items()),
    *(Hostile(name=name, properties=bad, body=text(name)) for name, bad in HEADERS_ALONE.items()),
)
