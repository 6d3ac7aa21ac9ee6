"""What a column holds after a value was saved: decimals are rounded, and JSON has lists for tuples."""

import json
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from typing import Any

from django.db import connections
from django.db.models import DecimalField, Field, JSONField, Model
from django.db.models.expressions import BaseExpression
from django.db.models.fields.files import FieldFile

from publisher.encoders.changes import UNKNOWN

# The context in which Django reads decimals from SQLite, which stores them as floats.
# https://github.com/django/django/blob/5.2/django/db/backends/sqlite3/operations.py `get_decimalfield_converter`
SQLITES = Context(prec=15)


def column(field: "Field[Any, Any]", instance: Model, using: str) -> Any:
    """The column's value after a save. UNKNOWN where the database computed it and Django has not read it back:
    then, the field is deferred (since Django 6.0) or still has the expression.
    """
    value = instance.__dict__.get(field.attname, UNKNOWN)
    return UNKNOWN if value is UNKNOWN or isinstance(value, BaseExpression) else stored(field, named(value), using)


def named(value: Any) -> Any:
    """The value, or the name of a file, which is what its column holds."""
    return (value.name or "") if isinstance(value, FieldFile) else value


def stored(field: "Field[Any, Any]", value: Any, using: str) -> Any:
    """The value as it would be read back from the database; unchanged where the field cannot convert it."""
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
