"""Encodes models: instances, classes, querysets, managers and fields."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from itertools import islice
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import DecimalField, Field, ForeignObjectRel, Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.db.models.manager import BaseManager
from django.db.models.query import RawQuerySet

from publisher.encoders.column_actions import column_action
from publisher.encoders.columns import Columns, as_text, columns_of
from publisher.encoders.hiding import Hidden, encode_redacted
from publisher.encoders.named import hide_by_names
from publisher.encoders.values import dotted
from publisher.rules import ACTIONS, NO_FIELDS, Redact, Rule
from publisher.wire.codec import DROPPED, Encoding, decodes, encodes
from publisher.wire.registry import has_encoder
from publisher.wire.sent import SentQuerySet

ANY_RULE = Rule(signal="*")
# Types of primary keys that may have to be converted to what the column holds.
SPELLED = (str, tuple, Decimal, datetime, Enum)
# How many rows of an evaluated queryset are sent.
MOST_ROWS = 100


def rule_of(encoding: Encoding) -> Rule:
    """The rule under which an event is encoded; ANY_RULE for a handler's answer, which has none."""
    rule: Rule = getattr(encoding, "rule", ANY_RULE)
    return rule


@cache
def label_of(model: type[Model]) -> str:
    """`app_label.model_name`. Cached, since Django makes it anew each time."""
    return model._meta.label_lower


@cache
def labels_of(model: type[Model]) -> tuple[str, ...]:
    """The label of the model, and of the models that it is a proxy or a child of, the nearest first."""
    return tuple(label_of(kind) for kind in model.__mro__ if issubclass(kind, Model) and hasattr(kind, "_meta"))


@encodes(Model)
def encode_model(encoding: Encoding, instance: Model, path: str) -> dict[str, Any]:
    """`{"model", "pk", "fields"}` of the instance in memory: a deferred field is left out, not fetched.

    Types that the JSON encoder knows (decimals, UUIDs, dates) are left as they are.
    """
    model = type(instance)
    rule = rule_of(encoding)
    columns = columns_under(rule, model)
    values = instance.__dict__
    pk = values.get(columns.pk_attname) if columns.pk_attname else instance.pk
    if type(pk) is not int or key_action(model, rule.redact) != "keep":
        pk = encode_key(encoding, model, pk, f"{path}.pk")
    fields = columns.encoded(encoding, instance, path)
    for named in columns.named_values:
        names = [values[named.attname]] if named.attname in values else []
        hide_by_names(encoding, fields, named, names, f"{path}.fields")
    return {"model": label_of(model), "pk": pk, "fields": fields}


def columns_under(rule: Rule, model: type[Model]) -> Columns:
    """The model's columns under the rule. What the rule says of a model also holds for its proxies and children."""
    if not rule.fields and not rule.omit_fields:
        return columns_of(model, None, NO_FIELDS, rule.redact)
    labels = labels_of(model)
    chosen = next((rule.fields[label] for label in labels if label in rule.fields), None)
    omitted = NO_FIELDS.union(*(rule.omit_fields.get(label, NO_FIELDS) for label in labels))
    return columns_of(model, chosen, omitted, rule.redact)


def key_of(model: type[Model], pk: Any) -> Any:
    """A primary key as its column holds it: a UUID or a number may have been given as text, in several spellings.

    A key of a type that only its field knows is the text that the field writes.
    """
    if pk is None or (has_encoder(type(pk)) and not isinstance(pk, SPELLED)):
        return pk
    try:
        if isinstance(pk, tuple):
            return tuple(_spelled(field, value) for field, value in zip(model._meta.pk_fields, pk, strict=True))
        return _spelled(model._meta.pk, pk)
    except Exception:
        # ValidationError by contract; a project's own field may raise what it likes.
        return pk


def _spelled(field: Any, value: Any) -> Any:
    if value is not None and not has_encoder(type(value)):
        return as_text(field, value)
    while field.remote_field:
        field = field.target_field
    read = field.to_python(value.value if isinstance(value, Enum) else value)
    if isinstance(read, Decimal) and isinstance(field, DecimalField) and field.decimal_places is not None:
        return read.quantize(Decimal(1).scaleb(-field.decimal_places), context=field.context)
    if isinstance(read, datetime) and read.tzinfo is not None:
        return read.astimezone(UTC)
    return read


def encode_key(encoding: Encoding, model: type[Model], pk: Any, path: str) -> Any:
    pk = key_of(model, pk)
    action = key_action(model, rule_of(encoding).redact)
    return encoding.encode(pk, path) if action == "keep" else encode_redacted(encoding, action, pk, path)


@cache
def key_action(model: type[Model], redact: Redact) -> str:
    """What becomes of a model's primary key, which may be a secret, as that of a session.

    For a composite key, the strictest action of its columns.
    """
    actions = {column_action(field, redact, model=model) for field in model._meta.pk_fields}
    return next(action for action in ACTIONS if action in actions)


def related_keys(keys: Any, model: object, redact: Redact) -> Any:
    """The `pk_set` of `m2m_changed`, hidden if the keys of `model` must not leave as they are."""
    is_of_model = isinstance(model, type) and issubclass(model, Model)
    if not (is_of_model and isinstance(keys, set | frozenset | list | tuple)):
        return keys
    action = key_action(model, redact)
    if action == "keep":
        return keys
    return Hidden(action, keys) if action == "drop" else {Hidden(action, key) for key in keys}


@encodes(type)
def encode_class(encoding: Encoding, value: type, path: str) -> Any:
    """A model as its label, any other class as its dotted path."""
    if issubclass(value, Model) and hasattr(value, "_meta"):
        return encoding.tag(path, "model", value._meta.label_lower)
    return encoding.tag(path, "class", dotted(value))


@encodes(QuerySet)
def encode_queryset(encoding: Encoding, queryset: "QuerySet[Any]", path: str) -> Any:
    """The model; if the queryset was evaluated, also the count and the keys of its first rows."""
    model: type[Model] = queryset.model
    plain: dict[str, Any] = {"model": label_of(model)}
    found = queryset._result_cache
    if found is not None:
        plain["count"] = len(found)
        rows = list(islice(found, MOST_ROWS))
        # Rows of `values_list()` are not sent, since they do not name what is a secret.
        if all(isinstance(row, Model | dict) for row in rows):
            actions = _actions_in_rows(encoding, model, rows)
            plain["rows"] = [_row(encoding, row, actions, f"{path}.rows.{n}") for n, row in enumerate(rows)]
    return encoding.tag(path, "queryset", plain)


def _row(encoding: Encoding, row: Any, actions: Mapping[str, str], path: str) -> Any:
    """The key of an instance; the values of a row of `values()` that may leave, by their names and their columns."""
    if isinstance(row, Model):
        return encode_key(encoding, type(row), row.pk, path)
    dropped = {name for name in row if actions.get(name) == "drop"}
    encoding.types.update((f"{path}.{name}", DROPPED) for name in dropped)
    # The encoder of dicts hides values by their names. Here are those that only their columns hide.
    hidden = {name for name in row if name in actions and encoding.action(name, row[name]) == "keep"}
    kept = {
        name: Hidden(actions[name], value) if name in hidden else value
        for name, value in row.items()
        if name not in dropped
    }
    return encoding.encode(kept, path)


def _actions_in_rows(encoding: Encoding, model: type[Model], rows: Sequence[Any]) -> Mapping[str, str]:
    """The actions, other than `keep`, by name in the rows of `values()`, which all have the same names."""
    names = rows[0] if rows and isinstance(rows[0], dict) else ()
    rule = rule_of(encoding)
    actions = {name: _action_of_path(rule, model, name.split(LOOKUP_SEP)) for name in names}
    for named in columns_under(rule, model).named_values:
        if named.is_text and named.value in actions and named.name not in actions:
            actions[named.value] = "drop"
    return {name: action for name, action in actions.items() if action != "keep"}


def _action_of_path(rule: Rule, model: type[Model], path: Sequence[str]) -> str:
    """What becomes of the column `owner__email` or the like. An annotation is hidden by its name alone, elsewhere."""
    name, rest = path[0], path[1:]
    if name == "pk" and not rest:
        return key_action(model, rule.redact)
    try:
        field: Any = model._meta.get_field(name)
    except FieldDoesNotExist:
        return "keep"
    if rest and field.is_relation and field.related_model:
        return _action_of_path(rule, field.related_model, rest)
    if not field.concrete:
        return "keep"
    columns = columns_under(rule, model)
    return columns.actions().get(field.name, "keep") if field.name in columns.names else "drop"


@encodes(BaseManager, RawQuerySet)
def encode_manager(encoding: Encoding, value: Any, path: str) -> Any:
    return encoding.tag(path, "queryset", {"model": label_of(value.model)})


@decodes("queryset")
def decode_queryset(plain: dict[str, Any], argument: str) -> SentQuerySet:
    return SentQuerySet(model=plain["model"], count=plain.get("count"), rows=tuple(plain.get("rows", ())))


@encodes(Field, ForeignObjectRel)
def encode_field(encoding: Encoding, value: Any, path: str) -> Any:
    """`app_label.model_name.field`, or the class of a field that belongs to no model."""
    model = getattr(value, "model", None)
    name = f"{label_of(model)}.{value.name}" if model is not None else dotted(type(value))
    return encoding.tag(path, "field", name)
