"""Encodes Python's own types as plain JSON, and decodes them. `types` has, by path, those that JSON lacks."""

import math
import uuid
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from publisher.wire.registry import (
    DROPPED,
    INT64_MAX,
    INT64_MIN,
    MODEL_KEYS,
    PARTIAL,
    Encoder,
    Encoding,
    decode,
    decodes,
    encodes,
    imported,
)

__all__ = [
    "DROPPED", "INT64_MAX", "INT64_MIN", "PARTIAL", "Encoding", "decode", "decodes", "encode_mapping", "encodes",
]  # fmt: skip


# What ZoneInfo raises for a name that is no zone: ValueError for a path out of its folder, OSError for a folder.
NO_ZONE = (ZoneInfoNotFoundError, ValueError, OSError)


def _text(encoding: Encoding, value: str, path: str) -> str:
    return str.__str__(value)


def _int(encoding: Encoding, value: int, path: str) -> Any:
    plain = int(value)
    return plain if INT64_MIN <= plain <= INT64_MAX else encoding.tag(path, "int", _digits(plain))


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:
        # Python limits the length of decimal numbers, but not of hexadecimal ones.
        return hex(value)


def _float(encoding: Encoding, value: float, path: str) -> Any:
    plain = float(value)
    return plain if math.isfinite(plain) else encoding.tag(path, "float", str(plain))


def _datetime(encoding: Encoding, value: datetime, path: str) -> str:
    text = value.isoformat()
    if value.tzinfo is UTC or (text.endswith("+00:00") and not isinstance(value.tzinfo, ZoneInfo)):
        return encoding.tag(path, "datetime", text[:-6] + "Z")  # type: ignore[no-any-return]
    zone = value.tzinfo.key if isinstance(value.tzinfo, ZoneInfo) else None
    return encoding.tag(path, f"datetime:{zone}" if zone else "datetime", text)  # type: ignore[no-any-return]


def _time(encoding: Encoding, value: time, path: str) -> str:
    # The zone's name, since a time without a date has no UTC offset in a zone with summer time.
    zone = value.tzinfo.key if isinstance(value.tzinfo, ZoneInfo) else None
    return encoding.tag(path, f"time:{zone}" if zone else "time", value.isoformat())  # type: ignore[no-any-return]


def _complex(encoding: Encoding, value: complex, path: str) -> Any:
    return encoding.tag(path, "complex", _items(encoding, (value.real, value.imag), path))


def _timedelta(encoding: Encoding, value: timedelta, path: str) -> Any:
    # Three integers: a float of seconds would lose microseconds of long spans.
    return encoding.tag(path, "timedelta", [value.days, value.seconds, value.microseconds])


def _bytes(encoding: Encoding, value: bytes | bytearray | memoryview, path: str) -> Any:
    return encoding.tag(path, "bytes", b64encode(bytes(value)).decode())


def _items(encoding: Encoding, value: Any, path: str) -> list[Any]:
    return [encoding.encode(item, f"{path}.{index}") for index, item in enumerate(value)]


def _tagged_items(tag: str) -> Encoder:
    def encoder(encoding: Encoding, value: Any, path: str) -> Any:
        return encoding.tag(path, tag, _items(encoding, value, path))

    return encoder


def encode_mapping(encoding: Encoding, value: Mapping[Any, Any], path: str) -> Any:
    odd = any(type(key) is not str or "." in key for key in value) or value.keys() >= MODEL_KEYS
    if odd:
        # As pairs, if a key is not text or has a dot (the separator of paths), or if the keys are those of an instance.
        return encoding.tag(
            path, "mapping", [_items(encoding, pair, f"{path}.{n}") for n, pair in enumerate(value.items())]
        )
    return {key: encoding.encode(item, f"{path}.{key}") for key, item in value.items()}


def _enum(encoding: Encoding, value: Enum, path: str) -> Any:
    kind = type(value)
    plain = encoding.encode(value.value, path)
    encoding.types.pop(path, None)
    return encoding.tag(path, f"enum:{kind.__module__}:{kind.__qualname__}:{value.name}", plain)


def _decode_enum(plain: Any, argument: str) -> Any:
    module, _, names = argument.partition(":")
    qualname, _, name = names.partition(":")
    kind = imported(module, qualname)
    if not isinstance(kind, type) or not issubclass(kind, Enum):
        return plain
    if issubclass(kind, Flag):
        # By value, since a combination of flags has no name.
        with suppress(ValueError, TypeError):
            return kind(plain)
    return kind.__members__.get(name, plain)


def _decode_datetime(plain: str, zone: str) -> datetime:
    value = datetime.fromisoformat(plain)
    try:
        return value.astimezone(ZoneInfo(zone)) if zone else value
    except (*NO_ZONE, OverflowError):
        return value


def _hashed(kind: Callable[[Any], Any]) -> Callable[[Any, str], Any]:
    """A decoder to a set or a dict; to the list if an item cannot be hashed, as one of a class that is not here."""

    def decoder(plain: Any, argument: str) -> Any:
        try:
            return kind(plain)
        except TypeError:
            keys = [pair[0] for pair in plain] if kind is dict else plain
            if any(isinstance(key, dict) for key in keys):
                return plain
            raise

    return decoder


def _decode_time(plain: str, zone: str) -> time:
    value = time.fromisoformat(plain)
    try:
        return value.replace(tzinfo=ZoneInfo(zone)) if zone else value
    except NO_ZONE:
        return value


def _simple(kind: type, tag: str, plain: Callable[[Any], Any], value: Callable[[Any], Any]) -> None:
    encodes(kind)(lambda encoding, item, path: encoding.tag(path, tag, plain(item)))
    decodes(tag)(lambda item, argument: value(item))


encodes(str)(_text)
encodes(int)(_int)
encodes(float)(_float)
encodes(complex)(_complex)
encodes(datetime)(_datetime)
encodes(time)(_time)
encodes(timedelta)(_timedelta)
encodes(bytes, bytearray, memoryview)(_bytes)
encodes(list)(_items)
encodes(tuple)(_tagged_items("tuple"))
encodes(set)(_tagged_items("set"))
encodes(frozenset)(_tagged_items("frozenset"))
encodes(dict)(encode_mapping)
encodes(Enum)(_enum)
_simple(Decimal, "decimal", str, Decimal)
_simple(uuid.UUID, "uuid", str, uuid.UUID)
_simple(date, "date", date.isoformat, date.fromisoformat)
decodes("int")(lambda plain, argument: int(plain, 0))
decodes("complex")(lambda plain, argument: complex(*plain))
decodes("float")(lambda plain, argument: float(plain))
decodes("datetime")(_decode_datetime)
decodes("time")(_decode_time)
decodes("timedelta")(lambda plain, argument: timedelta(*plain))
decodes("bytes")(lambda plain, argument: b64decode(plain))
decodes("tuple")(lambda plain, argument: tuple(plain))
decodes("set")(_hashed(set))
decodes("frozenset")(_hashed(frozenset))
decodes("mapping")(_hashed(dict))
# For processes without Django. With it, `publisher.encoders.multivalue` decodes these to Django's own types.
decodes("multivaluedict")(lambda plain, argument: dict(plain))
decodes("querydict")(lambda plain, argument: dict(plain))
decodes("enum")(_decode_enum)
