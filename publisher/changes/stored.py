"""What a column holds of a value that was saved: decimals are rounded, and JSON has no tuples and no keys but text."""

import json
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from typing import Any

from django.db import connections
from django.db.models import DecimalField, Field, JSONField, Model
from django.db.models.expressions import BaseExpression
from django.db.models.fields.files import FieldFile

from publisher.encoders.changes import UNKNOWN

# As Django reads them from SQLite, which has no decimals.
# https://github.com/django/django/blob/5.2/django/db/backends/sqlite3/operations.py `get_decimalfield_converter`
SQLITES = Context(prec=15)


def column(field: "Field[Any, Any]", instance: Model, using: str) -> Any:
    """What the instance has of it now. What the database worked out is not known, unless Django has read it back.

    Where Django cannot, it defers the field from 6.0 on, and leaves the expression before.
    """
    value = instance.__dict__.get(field.attname, UNKNOWN)
    return UNKNOWN if value is UNKNOWN or isinstance(value, BaseExpression) else stored(field, named(value), using)


def named(value: Any) -> Any:
    """A file as its column has it."""
    return (value.name or "") if isinstance(value, FieldFile) else value


def stored(field: "Field[Any, Any]", value: Any, using: str) -> Any:
    """As it is read back from the database `using`; as it is, where the field cannot tell."""
    try:
        if isinstance(field, JSONField):
            return _json(field, value)
        read = field.to_python(value)
        return _rounded(field, read, using) if isinstance(field, DecimalField) and read is not None else read
    except Exception:
        # ValidationError by contract; a project's own field may raise what it likes.
        return value


def _json(field: Any, value: Any) -> Any:
    if value is None:
        return None
    text = json.dumps(field.get_prep_value(value), cls=field.encoder)
    return field.from_db_value(text, None, None)


def _rounded(field: "DecimalField[Any, Any]", value: Decimal, using: str) -> Decimal:
    if field.decimal_places is None:
        return value
    is_sqlite = connections[using].vendor == "sqlite"
    return (SQLITES.create_decimal_from_float(float(value)) if is_sqlite else value).quantize(
        Decimal(1).scaleb(-field.decimal_places),
        rounding=ROUND_HALF_EVEN if is_sqlite else ROUND_HALF_UP,
        context=field.context,
    )
