"""Encodes what a save changed: the old and the new value of each field that may leave."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db.models import Field, Model

from publisher.encoders.columns import NamedValue, as_text
from publisher.encoders.fields import fields_of, value_read
from publisher.encoders.models import columns_under, label_of, rule_of
from publisher.encoders.named import hide_by_names
from publisher.redaction import TAGS, redacted
from publisher.wire.codec import DROPPED, Encoding, decodes, encodes
from publisher.wire.registry import UNKNOWN as UNKNOWN_TAG
from publisher.wire.registry import has_encoder


class Unknown:
    """Stands for a value that is not known: an old one that was not loaded, or one that the database computed."""


UNKNOWN = Unknown()


class Changes(dict[str, tuple[Any, Any]]):
    """(old, new) by field name. `instance` is what was saved."""

    def __init__(self, instance: Model, found: Mapping[str, tuple[Any, Any]]) -> None:
        super().__init__(found)
        self.instance = instance


@encodes(Changes)
def encode_changes(encoding: Encoding, changes: Changes, path: str) -> Any:
    model = type(changes.instance)
    plain = {
        name: [_encoded(encoding, field, value, f"{path}.{name}.{n}", action) for n, value in enumerate(changes[name])]
        for name, field, action in leaving(encoding, model, changes, path)
    }
    for named in columns_under(rule_of(encoding), model).named_values:
        hide_by_names(encoding, plain, named, _names(changes, named), path)
    return encoding.tag(path, f"changes:{label_of(model)}", plain)


def _names(changes: Changes, named: NamedValue) -> list[object]:
    """What the column `named.name` holds, and held before, as far as known."""
    values = changes.instance.__dict__
    now = [values[named.attname]] if named.attname in values else []
    return [name for name in (*now, *changes.get(named.name, ())) if name is not UNKNOWN]


def leaving(
    encoding: Encoding, model: type[Model], names: Iterable[str], path: str
) -> Iterator[tuple[str, "Field[Any, Any]", str | None]]:
    """(name, field, action) of those that may leave. The action is None where the value is sent as it is.

    Fields that are dropped are tagged so under `path`.
    """
    columns = columns_under(rule_of(encoding), model)
    actions = columns.actions()
    for name in names:
        if name in columns.dropped:
            encoding.types[f"{path}.{name}"] = DROPPED
        elif name in columns.names:
            yield name, columns.field(name), actions.get(name)


def _encoded(encoding: Encoding, field: "Field[Any, Any]", value: Any, path: str, action: str | None) -> Any:
    if value is UNKNOWN:
        return encoding.tag(path, UNKNOWN_TAG, None)
    return encoded_value(encoding, field, value, path, action)


def encoded_value(encoding: Encoding, field: "Field[Any, Any]", value: Any, path: str, action: str | None) -> Any:
    if action is not None:
        return encoding.tag(path, TAGS[action], redacted(action, value))
    if value is not None and not has_encoder(type(value)):
        value = as_text(field, value)
    return encoding.encode(value, path)


@decodes("changes")
def decode_changes(plain: dict[str, list[Any]], label: str) -> dict[str, list[Any]]:
    """[old, new] by field name, converted by the field."""
    fields = fields_of(label)
    return {
        name: [value_read(fields[name], value) for value in pair] if name in fields else pair
        for name, pair in plain.items()
    }
