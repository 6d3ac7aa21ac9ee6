"""The fields of a model, and what they make of a value that was sent."""

from typing import Any

from django.apps import apps
from django.db.models import Field

from publisher.wire.redacted import Redacted


def fields_of(label: str) -> dict[str, "Field[Any, Any]"]:
    """Those of a model by their names; none where there is no such model here."""
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):
        return {}
    return {field.name: field for field in model._meta.concrete_fields}


class Unreadable(ValueError):
    """The field cannot make a value of this text: a stranger wrote it, or the sender's field is another one."""


def value_read(field: "Field[Any, Any]", value: Any) -> Any:
    """Text as the field reads it; as it is, where it cannot."""
    try:
        return value_of(field, value)
    except Unreadable:
        return value


def value_of(field: "Field[Any, Any]", value: Any) -> Any:
    """Text as the field reads it. Tagged values have theirs already. Raises Unreadable."""
    if not isinstance(value, str) or isinstance(value, Redacted):
        return value
    try:
        return field.to_python(value)
    except Exception as exc:
        # ValidationError by contract; a project's own field may raise what it likes.
        raise Unreadable(field.name) from exc
