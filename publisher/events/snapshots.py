"""Takes an instance's values when its signal is sent, and encodes them just before COMMIT, together with all others.

Between two SQL statements the processor's caches are cold: encoding an event there takes three times as long as in a
loop. So where all values are immutable (text, numbers, moments, UUIDs), encoding waits. Events that are rolled back
with a savepoint are never encoded.

A template learns how to encode such an event from one that was encoded at once, for each combination of types that a
model's values have. This is used only if it makes the very same bytes of that event.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC
from decimal import Decimal
from math import isfinite
from operator import itemgetter
from typing import Any, NamedTuple

from django.db.models import Model
from django.db.models.signals import ModelSignal
from msgspec import Struct

from publisher.encoders.columns import MOMENTS, MOST_SHAPES, NATIVE, Columns
from publisher.encoders.models import columns_under, key_of, label_of
from publisher.events.about import concrete
from publisher.events.body import Encoded, with_body
from publisher.events.dispatch import PLAIN, all_leave
from publisher.events.rows import Row, row_of
from publisher.events.source import Source
from publisher.wire.codec import INT64_MAX, INT64_MIN
from publisher.wire.event import Moment, moment_of, new_event

# Immutable types that the JSON encoder writes as the codec would; for some of them, `Shape.has` looks at the values.
LASTING = frozenset((*NATIVE, *MOMENTS, int, float))
# Types of primary keys that may have to be converted to what their column holds, as a UUID given as text.
KEYED = frozenset((str, Decimal, *MOMENTS))
Values = tuple[Any, ...]
# The names of the kwargs, and the types of the instance's values and of the kwargs.
Kinds = tuple[str | type, ...]


class Shape(NamedTuple):
    """For one combination of types: the event's `types`, and the positions of values that have to be looked at."""

    types: dict[str, str]
    integers: tuple[int, ...]
    floats: tuple[int, ...]
    moments: tuple[int, ...]

    def has(self, values: Values) -> bool:
        """Whether the JSON encoder writes these values as the codec would."""
        # Loops, since generators would take as long as the rest of `snapshot` does.
        for place in self.integers:
            if not INT64_MIN <= values[place] <= INT64_MAX:
                return False
        for place in self.floats:
            if not isfinite(values[place]):
                return False
        for place in self.moments:  # noqa: SIM110
            if values[place].tzinfo is not UTC:
                return False
        return True


class Template:
    """Makes snapshots for one signal and one model, under one rule."""

    __slots__ = ("_model", "_shapes", "_values_of", "concrete_label", "label", "names", "source")

    def __init__(self, source: Source, model: type[Model], columns: Columns) -> None:
        self.source = source
        self._model = model
        self.label = label_of(model)
        self.concrete_label = label_of(concrete(model))
        self.names = columns.names
        self._values_of = itemgetter(columns.pk_attname, *columns.attnames)
        self._shapes: dict[Kinds, Shape | None] = {}

    def snapshot(self, kwargs: dict[str, Any]) -> "Snapshot | None":
        """A snapshot, which takes over the dict `kwargs` and changes it; None if the event has to be encoded now."""
        try:
            values = self._values_of(kwargs["instance"].__dict__)
        except (KeyError, AttributeError):
            # A field is deferred, or this is no instance of a model.
            return None
        if type(values[0]) in KEYED:
            values = self._keyed(values)
        shape = self._shapes.get(_kinds(values, kwargs))
        if shape is None or not shape.has(values):
            return None
        # The snapshot has its values, and must not keep the instance itself.
        kwargs["instance"] = None
        return Snapshot(self, shape, values, kwargs, self.source.moment())

    def learn(self, kwargs: Mapping[str, Any], encoded: Encoded) -> None:
        """Learn from an event that was encoded at once, so that the next one like it need not be."""
        try:
            values = self._values_of(kwargs["instance"].__dict__)
        except (KeyError, AttributeError):
            return
        if type(values[0]) in KEYED:
            values = self._keyed(values)
        kinds = _kinds(values, kwargs)
        if kinds in self._shapes or len(self._shapes) == MOST_SHAPES:
            return
        shape = self._shape(values, kwargs, encoded)
        if shape is None:
            self._shapes[kinds] = None
        elif shape.has(values):
            again = Snapshot(self, shape, values, dict(kwargs), moment_of(encoded.event))
            self._shapes[kinds] = shape if again.encoded().body == encoded.body else None

    def _keyed(self, values: Values) -> Values:
        """The values with the primary key converted to what its column holds."""
        return (key_of(self._model, values[0]), *values[1:])

    def _shape(self, values: Values, kwargs: Mapping[str, Any], encoded: Encoded) -> Shape | None:
        """The shape of these types; None where such events have to be encoded at once."""
        kinds = list(map(type, values))
        others = {type(value) for name, value in kwargs.items() if name != "instance"}
        if not (LASTING.issuperset(kinds) and PLAIN.issuperset(others) and all_leave(kwargs, self.source.rule)):
            return None
        return Shape(
            types=encoded.event.data["types"],
            integers=_places(kinds, (int,)),
            floats=_places(kinds, (float,)),
            moments=_places(kinds, MOMENTS),
        )


class Snapshot(Struct):
    """An event that is not encoded yet: the instance's values, the primary key first, and the other kwargs."""

    template: Template
    shape: Shape
    values: Values
    kwargs: dict[str, Any]
    moment: Moment

    def row(self) -> Row:
        return row_of(self.encoded(), self.template.source.rule)

    def encoded(self) -> Encoded:
        template, source = self.template, self.template.source
        pk, *values = self.values
        fields = dict(zip(template.names, values, strict=True))
        kwargs = {**self.kwargs, "instance": {"model": template.label, "pk": pk, "fields": fields}}
        is_nobody = pk is None
        event = new_event(
            source=source.source,
            type=source.name,
            subject=None if is_nobody else f"{template.label}/{pk}",
            partitionkey=source.label or source.name if is_nobody else f"{template.concrete_label}/{pk}",
            data={"sender": source.label, "kwargs": kwargs, "types": self.shape.types},
            moment=self.moment,
        )
        return with_body(source, event)


def template_of(source: Source, sender: object) -> Template | None:
    """None where events have to be encoded at once: errors go to the sender, values are redacted, or the event has more
    than the instance's values.
    """
    rule = source.rule
    has_more = rule.strict or rule.changes or rule.routing_key or rule.subject or source.creating or source.outdated
    if has_more or rule.delivery != "outbox" or not isinstance(source.known.signal, ModelSignal):
        return None
    if not (isinstance(sender, type) and issubclass(sender, Model)):
        return None
    columns = columns_under(rule, sender)
    is_plain = columns.names and columns.pk_attname and not columns.hidden and not columns.named_values
    return Template(source, sender, columns) if is_plain else None


def _kinds(values: Values, kwargs: Mapping[str, Any]) -> Kinds:
    return (*kwargs, *map(type, values), *map(type, kwargs.values()))


def _places(kinds: Iterable[type], wanted: Collection[type]) -> tuple[int, ...]:
    return tuple(place for place, kind in enumerate(kinds) if kind in wanted)
