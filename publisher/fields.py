"""What a model's field makes of a value that was sent."""

from typing import Any

from django.db.models import Field

from publisher.wire.redacted import Redacted


def value_read(field: "Field[Any, Any]", value: Any) -> Any:
    """Text as the field reads it. Tagged values have theirs already; text may be anything a stranger wrote."""
    if not isinstance(value, str) or isinstance(value, Redacted):
        return value
    try:
        return field.to_python(value)
    except Exception:
        # ValidationError by contract; a project's own field may raise what it likes.
        return value
