"""Encodes simple values of Python's library and of Django: lazy text, paths, time zones, ranges, functions."""

import ipaddress
import re
import types
from collections.abc import Callable, Mapping
from datetime import UTC, timedelta, timezone, tzinfo
from pathlib import PurePath
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.functional import LazyObject, Promise, empty

from publisher.wire.codec import NO_ZONE, Encoding, decodes, encodes
from publisher.wire.sent import SentRange


def dotted(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


@encodes(Promise)
def encode_promise(encoding: Encoding, value: Any, path: str) -> Any:
    """A lazy translation as its text in the current language; any other lazy value as what it evaluates to."""
    # A private method of Django's `__proxy__`; there is no public one.
    cast = getattr(value, "_proxy____cast", value.__str__)
    return encoding.encode(cast(), path)


@encodes(LazyObject)
def encode_lazy(encoding: Encoding, value: "LazyObject[Any]", path: str) -> Any:
    if value.__dict__.get("_wrapped", empty) is empty:
        value._setup()
    return encoding.encode(value.__dict__["_wrapped"], path)


@encodes(PurePath)
def encode_path(encoding: Encoding, value: PurePath, path: str) -> Any:
    return encoding.tag(path, "path", str(value))


@decodes("path")
def decode_path(plain: str, argument: str) -> PurePath:
    return PurePath(plain)


@encodes(timezone)
def encode_offset(encoding: Encoding, value: timezone, path: str) -> Any:
    offset = value.utcoffset(None)
    return encoding.tag(path, "timezone", [offset.days, offset.seconds, offset.microseconds])


@decodes("timezone")
def decode_offset(plain: list[int], argument: str) -> timezone:
    offset = timedelta(*plain)
    return timezone(offset) if offset else UTC


@encodes(tzinfo)
def encode_zone(encoding: Encoding, value: tzinfo, path: str) -> Any:
    """The zone's name: the attribute `key` of a ZoneInfo, or `zone` with pytz."""
    name = getattr(value, "key", None) or getattr(value, "zone", None)
    return encoding.tag(path, "zone", name) if isinstance(name, str) else encoding.project(value, path)


@decodes("zone")
def decode_zone(plain: str, argument: str) -> tzinfo | str:
    try:
        return ZoneInfo(plain)
    except NO_ZONE:
        return plain


@encodes(range, slice)
def encode_steps(encoding: Encoding, value: range | slice, path: str) -> Any:
    parts = (value.start, value.stop, value.step)
    plain = [encoding.encode(part, f"{path}.{n}") for n, part in enumerate(parts)]
    return encoding.tag(path, type(value).__name__, plain)


decodes("range")(lambda plain, argument: range(*plain))
decodes("slice")(lambda plain, argument: slice(*plain))


@encodes("psycopg.types.range.Range", "psycopg2._range.Range")
def encode_span(encoding: Encoding, value: Any, path: str) -> Any:
    """A PostgreSQL range: its ends and its bounds, which are `"empty"` for an empty range."""
    bounds = "empty" if value.isempty else value._bounds
    plain = [encoding.encode(end, f"{path}.{n}") for n, end in enumerate((value.lower, value.upper))]
    return encoding.tag(path, "span", [*plain, bounds])


@decodes("span")
def decode_span(plain: list[Any], argument: str) -> Any:
    """psycopg's Range; a SentRange if psycopg (version 3) is not installed."""
    lower, upper, bounds = plain
    is_empty = bounds == "empty"
    try:
        from psycopg.types.range import Range
    except ImportError:
        return SentRange(lower=lower, upper=upper, bounds=bounds)
    return Range(empty=True) if is_empty else Range(lower, upper, bounds)


@encodes("psycopg.types.multirange.Multirange")
def encode_spans(encoding: Encoding, value: Any, path: str) -> Any:
    return encoding.encode(list(value), path)


@encodes(re.Pattern)
def encode_pattern(encoding: Encoding, value: "re.Pattern[Any]", path: str) -> Any:
    return encoding.encode(value.pattern, path)


IP_TYPES = (
    ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network,
    ipaddress.IPv4Interface, ipaddress.IPv6Interface,
)  # fmt: skip
IP: Mapping[str, Callable[[str], Any]] = {kind.__name__: kind for kind in IP_TYPES}


@encodes(*IP_TYPES)
def encode_ip(encoding: Encoding, value: Any, path: str) -> Any:
    name = next(kind.__name__ for kind in type(value).__mro__ if kind in IP_TYPES)
    return encoding.tag(path, f"ip:{name}", str(value))


@decodes("ip")
def decode_ip(plain: str, argument: str) -> Any:
    return IP[argument](plain) if argument in IP else plain


@encodes(
    types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType
)  # fmt: skip
def encode_function(encoding: Encoding, value: Any, path: str) -> Any:
    """The dotted path, which is not decoded: a message must not choose what is called."""
    return encoding.tag(path, "function", f"{value.__module__ or 'builtins'}.{value.__qualname__}")


@encodes(types.MethodType)
def encode_method(encoding: Encoding, value: types.MethodType, path: str) -> Any:
    return encode_function(encoding, value.__func__, path)


@encodes(types.ModuleType)
def encode_module(encoding: Encoding, value: types.ModuleType, path: str) -> Any:
    return encoding.tag(path, "module", value.__name__)
