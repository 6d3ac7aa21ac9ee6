"""Recognises values of types without an encoder by their attributes: money and geometry of any library."""

import sys
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from publisher.wire.codec import decodes
from publisher.wire.sent import SentMoney


def likeness_of(value: object) -> tuple[str, Any] | None:
    """Tag and plain JSON; None for a value that is not recognised."""
    return next((found for recognize in LIKENESSES if (found := recognize(value)) is not None), None)


def has(value: object, *names: str) -> bool:
    """Whether it has these attributes, in its class or `__dict__`. Not `hasattr`: some objects have any attribute."""
    own = getattr(value, "__dict__", {})
    return all(name in own or hasattr(type(value), name) for name in names)


def money(value: Any) -> tuple[str, Any] | None:
    """The amount digit for digit, and the currency's code."""
    if not has(value, "amount", "currency"):
        return None
    try:
        amount = Decimal(str(value.amount))
    except InvalidOperation:
        return None
    return "amount", {"amount": str(amount), "currency": str(getattr(value.currency, "code", value.currency))}


def geometry(value: Any) -> tuple[str, Any] | None:
    """Well-known text, with the SRID as PostGIS writes it: `SRID=4326;POINT (1 2)`."""
    if not (has(value, "wkt") and (has(value, "srid") or has(value, "geom_type"))) or not isinstance(value.wkt, str):
        return None
    srid = getattr(value, "srid", None)
    return "geometry", f"SRID={srid};{value.wkt}" if srid else value.wkt


LIKENESSES: Sequence[Callable[[Any], tuple[str, Any] | None]] = (money, geometry)


@decodes("amount")
def decode_money(plain: dict[str, str], argument: str) -> SentMoney:
    return SentMoney(amount=Decimal(plain["amount"]), currency=plain["currency"])


@decodes("geometry")
def decode_geometry(plain: str, argument: str) -> Any:
    """A GEOSGeometry if this process has imported GeoDjango, else the text."""
    geos = sys.modules.get("django.contrib.gis.geos")
    return geos.GEOSGeometry(plain) if geos is not None and hasattr(geos, "GEOSGeometry") else plain
