"""Types of arguments on the command line. They raise ArgumentTypeError, whose text argparse shows."""

import json
from argparse import ArgumentTypeError
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.utils.dateparse import parse_datetime, parse_duration

from publisher.hints import near
from publisher.wire.frames import short
from publisher.wire.topology import dead_queue

# The lookups of `filter()` whose value is not a text, each with a function that says whether a value is right for it.
NOT_TEXT: dict[str, Callable[[object], bool]] = {
    "in": lambda value: isinstance(value, list),
    "range": lambda value: isinstance(value, list) and len(value) == 2,
    "isnull": lambda value: isinstance(value, bool),
}


def short_text(text: str) -> str:
    """A text of at most 255 bytes, which is AMQP's limit for routing keys and names of queues."""
    try:
        short(text)
    except ValueError as exc:
        raise ArgumentTypeError(str(exc)) from exc
    return text


def queue_name(text: str) -> str:
    """The name of a queue, or of a handler, which stands for its queue."""
    if not text:
        raise ArgumentTypeError("expected the name of a handler, or of a queue, not ''")
    # Its queue for dead letters has a longer name, which must be short enough as well.
    short_text(dead_queue(text))
    return text


def moment(text: str) -> datetime:
    """A time, as `2026-11-24T08:00`, or how long ago it was, as `1:30:00`. Without a zone, a time is local."""
    with suppress(ValueError, OverflowError):
        ago = parse_duration(text)
        if ago is not None:
            return datetime.now(UTC) - ago
        when = parse_datetime(text)
        if when is not None:
            return when.astimezone()
    raise ArgumentTypeError(f"{text!r} is neither a time (2026-11-24T08:00) nor a duration (1:30:00)")


def model_of(label: str) -> type[Model]:
    """The model with this label, as in `orders.Order`."""
    try:
        return apps.get_model(label)
    except (LookupError, ValueError) as exc:
        labels = [model._meta.label for model in apps.get_models()]
        raise ArgumentTypeError(f"there is no model {label!r}. {near(label, labels)}") from exc


def lookup(text: str) -> dict[str, Any]:
    """The kwargs of `filter()`: `{"status": "paid"}` for the text `status=paid`."""
    field, mark, value = text.partition("=")
    if not (field and mark):
        raise ArgumentTypeError(f"expected FIELD=VALUE, as in status=paid or pk__gte=100, not {text!r}")
    is_valid = NOT_TEXT.get(field.rpartition("__")[2])
    if is_valid is None:
        return {field: value}
    with suppress(ValueError, RecursionError):
        if is_valid(found := json.loads(value)):
            return {field: found}
    raise ArgumentTypeError(
        f"{field} takes JSON, as in pk__in=[1,2], pk__range=[1,9] or paid_at__isnull=true, not {value!r}"
    )


def key_text(pk: Any) -> str:
    """A primary key as `--after` takes it. A composite key becomes a JSON list."""
    return json.dumps(pk, default=str) if isinstance(pk, tuple) else str(pk)


def key_from(model: type[Model], text: str) -> Any:
    """The primary key that this text of `key_text` stands for. Raises ValueError, TypeError or ValidationError."""
    fields = model._meta.pk_fields
    if len(fields) == 1:
        return fields[0].to_python(text)
    return tuple(field.to_python(part) for field, part in zip(fields, json.loads(text), strict=True))
