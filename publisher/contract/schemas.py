"""JSON Schemas of events, made from the models and the rules.

https://json-schema.org/draft-07
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.db.models import Field, FileField, ForeignKey, GeneratedField, Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from publisher import signals
from publisher.catalogue.sending import MORE, sent_kwargs
from publisher.catalogue.signals import KnownSignal
from publisher.encoders.columns import Columns
from publisher.encoders.models import columns_under, key_action, label_of
from publisher.redaction import TAGS, action_of
from publisher.rules import Rule
from publisher.wire.codec import DROPPED

Schema = dict[str, Any]
# Any value, where nothing is known.
ANYTHING: Schema = {}
# Tells masked, hashed and dropped values apart, whose schemas would be the same without it.
REDACTED = "x-redacted"
# Names the dropped kwargs, in a schema that allows others that it does not name.
LEFT_OUT = "x-dropped"
TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
NAMES: Schema = {"type": "array", "items": TEXT}
# Days, seconds, microseconds.
DURATION: Schema = {"type": "array", "items": INTEGER, "minItems": 3, "maxItems": 3}
KEYS: Schema = {"type": ["array", "null"]}
WRITE: Schema = {"pks": KEYS, "count": INTEGER, "complete": FLAG, "using": TEXT}
# Fields whose columns hold at most `max_length` characters.
LIMITED = ("CharField", "SlugField", "FileField", "FilePathField", "GenericIPAddressField")
# By the field's `get_internal_type()`.
KINDS: Mapping[str, Schema] = {
    **dict.fromkeys(
        (
            "AutoField", "BigAutoField", "SmallAutoField", "IntegerField", "BigIntegerField", "SmallIntegerField",
            "PositiveIntegerField", "PositiveBigIntegerField", "PositiveSmallIntegerField",
        ),
        INTEGER,
    ),
    **dict.fromkeys((*LIMITED, "TextField"), TEXT),
    "BooleanField": FLAG,
    # JSON has no numbers for NaN and the infinities.
    "FloatField": {"type": ["number", "string"], "pattern": "^(nan|inf|-inf)$"},
    "DecimalField": {"type": "string", "format": "decimal"},
    "DateField": {"type": "string", "format": "date"},
    # `time` in JSON Schema has a time zone.
    "TimeField": {"type": "string", "format": "time-local"},
    "UUIDField": {"type": "string", "format": "uuid"},
    "BinaryField": {"type": "string", "contentEncoding": "base64"},
    "DurationField": DURATION,
}  # fmt: skip
# Fields that may be None without `null=True`: computed from NULL, or the name of a deleted file.
MAYBE_NULL = (GeneratedField, FileField)
# A field that overrides one of these may have any values.
OVERRIDES = ("to_python", "from_db_value", "value_to_string")


def field_schema(field: "Field[Any, Any]") -> Schema:
    """The schema of a field's values; ANYTHING for a field whose class converts values in its own way."""
    if isinstance(field, ForeignKey):
        plain = field_schema(field.target_field)
    elif isinstance(field, GeneratedField):
        plain = field_schema(field.output_field)  # type: ignore[arg-type]
    else:
        plain = _plain(field)
    return nullable(plain) if field.null or isinstance(field, MAYBE_NULL) else plain


def nullable(schema: Schema) -> Schema:
    if "type" not in schema:
        return schema
    return {**schema, "type": list(dict.fromkeys([*types_of(schema["type"]), "null"]))}


def types_of(value: str | list[str]) -> list[str]:
    """The types in a schema's `type`, which may be one or a list."""
    return value if isinstance(value, list) else [value]


def instance_schema(rule: Rule, model: type[Model], *, is_saved: bool = True) -> Schema:
    """`{"model", "pk", "fields"}` with the fields that may leave: none is required, since deferred ones are left out.

    Before a save (`is_saved=False`) any field may be null, since the save or the database may fill it.
    """
    columns = columns_under(rule, model)
    values = {name: _value(columns, name) for name in columns.names}
    if not is_saved:
        values = {name: nullable(schema) for name, schema in values.items()}
    fields: Schema = {"type": "object", "properties": values}
    return _object({"model": {"const": label_of(model)}, "pk": _key(model, rule), "fields": fields})


def kwargs_schema(known: KnownSignal, rule: Rule, model: type[Model] | None, instance: Schema) -> Schema:
    """The schema of the kwargs. `instance` is the schema of the model's instances, if a model sends the signal.

    For signals other than those in OF_SIGNALS, only the names of kwargs are known, if at all. If such a signal is sent
    with `**kwargs`, other names are allowed too.
    """
    known_kwargs = OF_SIGNALS.get(id(known.signal))
    has_more = False
    if known_kwargs is None or model is None:
        names = sent_kwargs(known)
        has_more = MORE in names
        kwargs = {name: ANYTHING for name in names if name != MORE}
    else:
        kwargs = known_kwargs(instance)
        if rule.changes and known.signal is post_save:
            kwargs["changes"] = _old_and_new(columns_under(rule, model))
    actions = {name: action_of(name, rule.redact) for name in kwargs}
    kept = {
        name: schema if actions[name] == "keep" else _redacted(actions[name])
        for name, schema in kwargs.items()
        if actions[name] != "drop"
    }
    plain: Schema = {"type": "object", "properties": kept}
    return {**plain, "additionalProperties": True, LEFT_OUT: sorted(kwargs.keys() - kept)} if has_more else plain


def _saved(instance: Schema) -> Schema:
    return {"instance": instance, "raw": FLAG, "using": TEXT, "update_fields": nullable(NAMES)}


def _created(instance: Schema) -> Schema:
    return {**_saved(instance), "created": FLAG}


def _deleted(instance: Schema) -> Schema:
    return {"instance": instance, "using": TEXT, "origin": ANYTHING}


def _related(instance: Schema) -> Schema:
    """For `m2m_changed`, whose instance may be of either side of the relation."""
    actions = ["pre_add", "post_add", "pre_remove", "post_remove", "pre_clear", "post_clear"]
    return {
        "instance": _object({"model": TEXT, "pk": ANYTHING, "fields": {"type": "object"}}),
        "action": {"type": "string", "enum": actions},
        "reverse": FLAG,
        "model": TEXT,
        "pk_set": KEYS,
        "using": TEXT,
    }


OF_SIGNALS: Mapping[int, Callable[[Schema], Schema]] = {
    id(pre_save): _saved,
    id(post_save): _created,
    id(pre_delete): _deleted,
    id(post_delete): _deleted,
    id(m2m_changed): _related,
    id(signals.bulk_created): lambda instance: {**WRITE, "conflicts": nullable(TEXT)},
    id(signals.bulk_updated): lambda instance: {**WRITE, "fields": NAMES},
    id(signals.queryset_updated): lambda instance: {**WRITE, "values": {"type": "object"}},
    id(signals.queryset_deleted): lambda instance: WRITE,
}


def _object(properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _old_and_new(columns: Columns) -> Schema:
    """The schema of `changes`: `[old, new]` by field name. null stands for a value that is not known."""
    pairs = {
        name: {"type": "array", "items": nullable(_value(columns, name)), "minItems": 2, "maxItems": 2}
        for name in columns.names
    }
    return {"type": ["object", "null"], "properties": pairs}


def _value(columns: Columns, name: str) -> Schema:
    hidden = columns.actions()
    if name in hidden:
        return _redacted(hidden[name])
    if name in {named.value for named in columns.named_values}:
        return ANYTHING
    return field_schema(columns.field(name))


def _key(model: type[Model], rule: Rule) -> Schema:
    pk = model._meta.pk
    action = key_action(model, rule.redact)
    if action != "keep":
        return _redacted(action)
    if pk not in model._meta.concrete_fields:
        return KEYS
    # An instance has no key before it is saved or after it was deleted.
    return nullable(field_schema(pk))


def _redacted(action: str) -> Schema:
    return {**nullable(TEXT), REDACTED: TAGS.get(action, DROPPED)}


def _plain(field: "Field[Any, Any]") -> Schema:
    if not _is_plain(field):
        return ANYTHING
    kind = field.get_internal_type()
    if kind == "DateTimeField":
        return {"type": "string", "format": "date-time" if settings.USE_TZ else "date-time-local"}
    if kind in LIMITED and field.max_length is not None:
        return {**TEXT, "maxLength": field.max_length}
    return KINDS.get(kind, ANYTHING)


def _is_plain(field: "Field[Any, Any]") -> bool:
    """Whether the field converts values as Django's own class does."""
    own = next(kind for kind in type(field).__mro__ if kind.__module__.startswith("django.db.models."))
    return all(getattr(type(field), name, None) is getattr(own, name, None) for name in OVERRIDES)


def event_schema(source: str) -> Schema:
    """What all events of this source have in common: the attributes of CloudEvents and the bridge's extensions."""
    types: Schema = {
        "type": "object",
        "description": "By path, what JSON cannot say of a value: decimal, datetime, dropped, ...",
        "additionalProperties": TEXT,
    }
    data = _object({"sender": {"type": ["string", "null"]}, "kwargs": {"type": "object"}, "types": types})
    always = {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "format": "uuid"},
        "source": {"const": source},
        "type": TEXT,
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "partitionkey": TEXT,
        "data": data,
    }
    sometimes = dict.fromkeys(("subject", "traceparent", "correlationid", "causationid"), TEXT)
    event = _object(always)
    event["properties"] |= {**sometimes, "hops": {"type": "integer", "minimum": 1}}
    return event
