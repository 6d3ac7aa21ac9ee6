"""Encodes the kwargs of `publisher.signals`: keys of rows, and the values of an update."""

from typing import Any

from django.db.models import Field, Model, QuerySet

from publisher.bulk import Keys, Values
from publisher.encoders.changes import encoded_value, leaving
from publisher.encoders.expressions import text_of
from publisher.encoders.fields import fields_of, value_read
from publisher.encoders.models import columns_under, encode_key, encode_queryset, key_action, label_of, rule_of
from publisher.encoders.named import hide_by_names
from publisher.redaction import TAGS, redacted
from publisher.wire.codec import DROPPED, Encoding, decodes, encodes


@encodes(Keys)
def encode_keys(encoding: Encoding, keys: Keys, path: str) -> Any:
    if key_action(keys.model, rule_of(encoding).redact) == "drop":
        return encoding.tag(path, DROPPED, None)
    return [encode_key(encoding, keys.model, key, f"{path}.{n}") for n, key in enumerate(keys)]


@encodes(Values)
def encode_values(encoding: Encoding, values: Values, path: str) -> Any:
    """The values of fields that may leave. An expression becomes its text, an instance its key."""
    plain = {
        name: _encoded(encoding, field, values[name], f"{path}.{name}", action)
        for name, field, action in leaving(encoding, values.model, values, path)
    }
    for named in columns_under(rule_of(encoding), values.model).named_values:
        names = [values[named.name]] if named.name in values else []
        hide_by_names(encoding, plain, named, names, path)
    return encoding.tag(path, f"values:{label_of(values.model)}", plain)


def _encoded(encoding: Encoding, field: "Field[Any, Any]", value: Any, path: str, action: str | None) -> Any:
    if isinstance(value, QuerySet):
        # Before expressions, since a queryset has `resolve_expression` too. It is sent as a queryset, not as text.
        return encode_queryset(encoding, value, path)
    if hasattr(value, "resolve_expression"):
        text = text_of(encoding, value)
        tag = "expression" if action is None else TAGS[action]
        return encoding.tag(path, tag, text if action is None else redacted(action, text))
    if isinstance(value, Model):
        value = getattr(value, field.target_field.attname)  # type: ignore[attr-defined]
    return encoded_value(encoding, field, value, path, action)


@decodes("values")
def decode_values(plain: dict[str, Any], label: str) -> dict[str, Any]:
    """The values by field name, each converted by its field."""
    fields = fields_of(label)
    return {name: value_read(fields[name], value) if name in fields else value for name, value in plain.items()}
