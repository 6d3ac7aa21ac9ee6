"""What a project adds to the attributes of its events: SIGNAL_BRIDGE["EXTENSIONS"].

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#extension-context-attributes
"""

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from django.utils.functional import Promise
from django.utils.module_loading import import_string

from publisher import counters
from publisher.wire.event import ATTRIBUTES, Extension

logger = logging.getLogger(__name__)

NAME = re.compile(r"[a-z0-9]{1,20}")
# CloudEvents' own, or the bridge's.
TAKEN = ATTRIBUTES | {"dataschema"}
# Integers of CloudEvents have 32 bits.
LEAST, MOST = -(2**31), 2**31 - 1


def extensions_from(path: str, *, is_strict: bool) -> dict[str, Extension]:
    """The attributes that the function at this dotted path returns now, as `{"tenant": "acme"}`.

    A wrong attribute is left out, and logged; if the function raises, all are. If `is_strict`, this raises instead:
    ValueError for a wrong attribute, or what the function raised.
    """
    try:
        return dict(_checked(import_string(path)(), is_strict=is_strict))
    except Exception as exc:
        if is_strict:
            raise
        _tell(path, type(exc).__name__)
        return {}


def _checked(given: Mapping[str, Any], *, is_strict: bool) -> Iterator[tuple[str, Extension]]:
    for name, value in given.items():
        # CloudEvents has no null, so None means that the attribute is not set.
        if value is None:
            continue
        if isinstance(value, UUID | Promise):
            value = str(value)
        if (flaw := _flaw(name, value)) is None:
            yield name, value
        elif is_strict:
            raise ValueError(f"SIGNAL_BRIDGE['EXTENSIONS']: {flaw}")
        else:
            _tell(str(name), flaw)


def _flaw(name: object, value: object) -> str | None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return f"an attribute's name must be up to 20 small letters and digits, not {name!r}"
    if name in TAKEN:
        return f"{name!r} is CloudEvents' own, or the bridge's"
    if not isinstance(value, str | bool | int):
        return f"{name!r} must be text, a number or a boolean, not of the type {type(value).__qualname__}"
    if isinstance(value, int) and not LEAST <= value <= MOST:
        return f"{name!r} has more than the 32 bits of a CloudEvents integer: make it text"
    return None


def _tell(about: str, flaw: str) -> None:
    if counters.is_news(number := counters.count(counters.EXTENSION_LEFT_OUT, about)):
        logger.error("extension left out, %d so far, %s: %s", number, about, flaw)
