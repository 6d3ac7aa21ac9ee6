"""Converts values from an event into what the model's field holds."""

from typing import Any

from django.apps import apps
from django.db.models import Field

from publisher.wire.redacted import Redacted


def fields_of(label: str) -> dict[str, "Field[Any, Any]"]:
    """A model's fields by name; none if this project has no such model."""
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):
        return {}
    return {field.name: field for field in model._meta.concrete_fields}


class Unreadable(ValueError):
    """The field cannot convert this text: it is not the sender's, or the sender's field is of another kind."""


def value_read(field: "Field[Any, Any]", value: Any) -> Any:
    """The value converted by the field; unchanged where the field cannot convert it."""
    try:
        return value_of(field, value)
    except Unreadable:
        return value


def value_of(field: "Field[Any, Any]", value: Any) -> Any:
    """The value; text is converted by the field. All else was decoded by its tag already. Raises Unreadable."""
    if not isinstance(value, str) or isinstance(value, Redacted):
        return value
    try:
        return field.to_python(value)
    except Exception as exc:
        # ValidationError by contract; a project's own field may raise what it likes.
        raise Unreadable(field.name) from exc
