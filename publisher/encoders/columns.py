"""Encodes the columns of a model: those that may leave under a rule.

Most values are of a few types that the JSON encoder writes as the codec would, and a model's instances mostly have the
same types in the same columns. So the entries in the event's `types` are kept for each combination of types (a Shape),
and only values of other types are encoded one by one.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Field, JSONField, Model
from django.db.models.expressions import BaseExpression
from django.db.models.fields.files import FieldFile

from publisher.encoders.column_actions import column_action, is_free_text
from publisher.encoders.users import is_user_model, tell_once, undecided
from publisher.redaction import TAGS, named_action, redacted
from publisher.rules import Redact
from publisher.secret_names import named_values
from publisher.wire.codec import DROPPED, INT64_MAX, INT64_MIN, PARTIAL, Encoding
from publisher.wire.registry import UNKNOWN, has_encoder

# Types that msgspec writes as the codec does, with the tag that the codec gives them.
# https://jcristharif.com/msgspec/supported-types.html
NATIVE: Mapping[type, str | None] = {
    str: None,
    bool: None,
    type(None): None,
    Decimal: "decimal",
    UUID: "uuid",
    date: "date",
}
# The real `datetime`: freezegun replaces the name, but most values are still of this class.
MOMENTS = frozenset((datetime,))
# Shapes that are kept: a model with many nullable columns may have any number of them.
MOST_SHAPES = 256


class Shape(NamedTuple):
    """For one combination of types: the event's tags by path, and the columns that are not written as they are.

    `integers` and `moments` have to be looked at, `others` have an encoder, and `customs` are converted by their field:
    these four have pairs (name, path). `unknowns` are computed by the database, and of `files` the name is sent.
    """

    tags: Mapping[str, str]
    integers: tuple[tuple[str, str], ...]
    moments: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]
    customs: tuple[tuple[str, str], ...]
    unknowns: tuple[str, ...]
    files: tuple[str, ...]


class NamedValue(NamedTuple):
    """Two columns of a row of settings: `name` may hold the name of what `value` is the value of.

    `attname` is the attribute of `name`. `is_text`: the value may be a secret, as a number can hardly be.
    """

    name: str
    attname: str
    value: str
    is_text: bool


class Columns:
    """The columns of a model that may leave under a rule (`names`), and those that may not (`dropped`).

    `hidden` has pairs (position in `names`, action) for the columns that leave masked or hashed. `named_values` has
    the columns that may leave only if what another column holds is no secret's name. `is_partial` is true where the
    rule's `fields` leave out some columns, which are then not even named as dropped.
    """

    __slots__ = (
        "_fields", "_shapes", "attnames", "dropped", "hidden", "is_partial", "named_values", "names", "pk_attname",
    )  # fmt: skip

    def __init__(
        self, model: type[Model], chosen: frozenset[str] | None, omitted: frozenset[str], redact: Redact = ()
    ) -> None:
        is_chosen = chosen is not None
        fields = [field for field in model._meta.concrete_fields if chosen is None or field.name in chosen]
        actions = {
            field: "drop" if field.name in omitted else column_action(field, redact, model=model, is_chosen=is_chosen)
            for field in fields
        }
        kept = [field for field, action in actions.items() if action != "drop"]
        self._fields = {field.name: field for field in kept}
        self.names = tuple(self._fields)
        self.attnames = tuple(field.attname for field in kept)
        self.hidden = tuple((n, actions[field]) for n, field in enumerate(kept) if actions[field] in TAGS)
        self.dropped = tuple(field.name for field in fields if field not in kept)
        # In a table of settings, the name in a row tells whether the value in that row is a secret.
        self.named_values = tuple(self._named_values(fields, redact)) if chosen is None else ()
        self.is_partial = len(fields) < len(model._meta.concrete_fields)
        # A composite key has no column of its own.
        pk = model._meta.pk
        self.pk_attname = pk.attname if pk in model._meta.concrete_fields else None
        self._shapes: dict[tuple[object, ...], Shape] = {}

    def _named_values(self, fields: "list[Field[Any, Any]]", redact: Redact) -> Iterator[NamedValue]:
        attnames = {field.name: field.attname for field in fields}
        for name, value in named_values(attnames):
            if value in self._fields and named_action(value, redact) is None:
                field = self._fields[value]
                yield NamedValue(name, attnames[name], value, is_free_text(field) or isinstance(field, JSONField))

    def encoded(self, encoding: Encoding, instance: Model, path: str) -> dict[str, Any]:
        """The values by field name. They are taken from `__dict__`, so a deferred field is left out, not fetched."""
        values = instance.__dict__
        try:
            row = [values[attname] for attname in self.attnames]
        except KeyError:
            return self._one_by_one(encoding, instance, path)
        for index, action in self.hidden:
            row[index] = redacted(action, row[index])
        fields = dict(zip(self.names, row, strict=True))
        shape = self._shapes.get((path, *map(type, row))) or self._shape(path, row)
        encoding.types.update(shape.tags)
        for name, its_path in shape.integers:
            if not INT64_MIN <= fields[name] <= INT64_MAX:
                fields[name] = encoding.encode(fields[name], its_path)
        for name, its_path in shape.moments:
            if fields[name].tzinfo is not UTC:
                fields[name] = encoding.encode(fields[name], its_path)
        for name, its_path in shape.others:
            fields[name] = encoding.encode(fields[name], its_path)
        for name, its_path in shape.customs:
            fields[name] = self._by_field(encoding, instance, name, its_path)
        for name in shape.unknowns:
            del fields[name]
        for name in shape.files:
            fields[name] = fields[name].name
        return fields

    def actions(self) -> dict[str, str]:
        """`mask` or `hash` by field name, for the columns that leave so."""
        return {self.names[index]: action for index, action in self.hidden}

    def field(self, name: str) -> "Field[Any, Any]":
        return self._fields[name]

    def fields(self) -> "list[Field[Any, Any]]":
        return list(self._fields.values())

    def _by_field(self, encoding: Encoding, instance: Model, name: str, path: str) -> Any:
        """The value as text, as a fixture has it: the field's `value_to_string` makes it, its `to_python` reads it."""
        field = self._fields[name]
        is_key = field.remote_field is not None
        text = as_text(field, instance.__dict__[field.attname]) if is_key else field.value_to_string(instance)
        return encoding.encode(text, path)

    def _one_by_one(self, encoding: Encoding, instance: Model, path: str) -> dict[str, Any]:
        values = instance.__dict__
        encoding.types.update((f"{path}.fields.{name}", DROPPED) for name in self.dropped)
        encoding.types[f"{path}.fields"] = PARTIAL
        encoding.types.update(self._hidden_tags(path))
        hidden = self.actions()
        fields = {}
        for name, attname in zip(self.names, self.attnames, strict=True):
            if attname not in values:
                continue
            value = redacted(hidden[name], values[attname]) if name in hidden else values[attname]
            its_path = f"{path}.fields.{name}"
            if isinstance(value, BaseExpression):
                encoding.types[its_path] = UNKNOWN
            elif isinstance(value, FieldFile):
                fields[name] = value.name
            elif has_encoder(type(value)) or value is None:
                fields[name] = encoding.encode(value, its_path)
            else:
                fields[name] = self._by_field(encoding, instance, name, its_path)
        return fields

    def _hidden_tags(self, path: str) -> dict[str, str]:
        return {f"{path}.fields.{name}": TAGS[action] for name, action in self.actions().items()}

    def _shape(self, path: str, row: list[Any]) -> Shape:
        named = [(name, f"{path}.fields.{name}", type(value)) for name, value in zip(self.names, row, strict=True)]
        tags = {its_path: tag for _, its_path, kind in named if (tag := NATIVE.get(kind))}
        tags |= {its_path: "datetime" for _, its_path, kind in named if kind in MOMENTS}
        rest = [each for each in named if each[2] not in NATIVE and each[2] is not int and each[2] not in MOMENTS]
        unknown = [each for each in rest if issubclass(each[2], BaseExpression)]
        file = [each for each in rest if issubclass(each[2], FieldFile)]
        custom = [each for each in rest if each not in unknown and not has_encoder(each[2])]
        others = [each for each in rest if each not in (*unknown, *file, *custom)]
        tags |= {its_path: UNKNOWN for _, its_path, _ in unknown}
        tags |= self._hidden_tags(path)
        tags |= {f"{path}.fields.{name}": DROPPED for name in self.dropped}
        tags |= {f"{path}.fields": PARTIAL} if self.is_partial else {}
        shape = Shape(
            tags=tags,
            integers=tuple((name, its_path) for name, its_path, kind in named if kind is int),
            moments=tuple((name, its_path) for name, its_path, kind in named if kind in MOMENTS),
            others=tuple(each[:2] for each in others),
            customs=tuple(each[:2] for each in custom),
            unknowns=tuple(name for name, _, _ in unknown),
            files=tuple(name for name, _, _ in file),
        )
        if len(self._shapes) >= MOST_SHAPES:
            self._shapes.clear()
        self._shapes[(path, *map(type, row))] = shape
        return shape


class ColumnsOfUser(Columns):
    """The columns of a user model under a rule without `fields` for it. Logs a warning when a user is sent."""

    __slots__ = ("_undecided", "_user")

    def __init__(
        self, model: type[Model], chosen: frozenset[str] | None, omitted: frozenset[str], redact: Redact = ()
    ) -> None:
        super().__init__(model, chosen, omitted, redact)
        self._user = model
        self._undecided = undecided(model, self.fields(), redact)

    def encoded(self, encoding: Encoding, instance: Model, path: str) -> dict[str, Any]:
        if self._undecided:
            tell_once(encoding, path, self._user, self._undecided)
        return super().encoded(encoding, instance, path)


def as_text(field: Any, value: object) -> str:
    """The value as a fixture has it: text for `to_python` of the field, or of the field that it refers to."""
    while field.remote_field:
        field = field.target_field
    text: str = field.value_to_string(SimpleNamespace(**{field.attname: value}))
    return text


@cache
def columns_of(
    model: type[Model], chosen: frozenset[str] | None, omitted: frozenset[str], redact: Redact = ()
) -> Columns:
    kind = ColumnsOfUser if chosen is None and is_user_model(model) else Columns
    return kind(model, chosen, omitted, redact)
