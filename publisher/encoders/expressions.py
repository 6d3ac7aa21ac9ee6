"""Encodes query expressions as text. A queryset inside an expression is shown by its model, and never run."""

from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from django.db.models import F, Model, Q, QuerySet, Value
from django.db.models.constants import LOOKUP_SEP
from django.db.models.expressions import BaseExpression
from django.db.models.manager import BaseManager
from django.db.models.sql import Query

from publisher.encoders.models import key_action, label_of, rule_of
from publisher.redaction import STARS
from publisher.scrubbing import scrubbed
from publisher.unqueried import without_queries
from publisher.wire.codec import Encoding, encodes

MOST_CHARACTERS = 2000
# Types whose repr shows their value, and runs no query.
PLAIN = (str, bytes, int, float, Decimal, type(None), date, time, timedelta, UUID, Enum, F)


class Shown(str):
    """Text that stands for a part of an expression: its repr has no quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@encodes(BaseExpression, F, Q)
def encode_expression(encoding: Encoding, value: object, path: str) -> Any:
    return encoding.tag(path, "expression", text_of(encoding, value))


def text_of(encoding: Encoding, expression: object) -> str:
    """The expression's repr, as `F(price) + Value(1)`. In a Q, values that are compared with secrets become `***`."""
    try:
        with without_queries():
            text = str(_shown(expression, encoding))
    except Exception:
        # A third-party expression may raise anything.
        text = f"{type(expression).__name__}()"
    return scrubbed(text)[:MOST_CHARACTERS]


def _shown(value: Any, encoding: Encoding) -> Any:
    """The same expression, with text in the place of what must not be shown, or whose repr might run a query."""
    if isinstance(value, Q):
        children = [_child(child, encoding) for child in value.children]
        return Q.create(children, value.connector, value.negated)
    # Before BaseExpression, which a Query is too.
    if isinstance(value, QuerySet | BaseManager | Query):
        model: Any = value.model
        return Shown(f"QuerySet({label_of(model) if model else ''})")
    if isinstance(value, BaseExpression):
        return _expression(value, encoding)
    if isinstance(value, Model):
        return Shown(f"{label_of(type(value))}{_key(value, encoding)}")
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown(item, encoding) for item in value]
    return value if isinstance(value, PLAIN) else Shown(f"<{type(value).__name__}>")


def _child(child: Any, encoding: Encoding) -> Any:
    if not isinstance(child, tuple):
        return _shown(child, encoding)
    lookup, value = child
    return lookup, _shown(value, encoding) if _may_show(lookup, value, encoding) else Shown(STARS)


def _expression(value: BaseExpression, encoding: Encoding) -> Any:
    if any(not _may_show(name, None, encoding) for name in _columns(value)):
        # What is beside a secret column may be its value: Exact(F("password"), Value("x")).
        return Shown(f"{type(value).__name__}({STARS})")
    copied: Any = value.copy()
    parts = [_shown(part, encoding) for part in value.get_source_expressions()]
    if type(value).__repr__ is object.__repr__ and type(value).__str__ is object.__str__:
        return Shown(f"{type(value).__name__}({', '.join(map(repr, parts))})")
    copied.set_source_expressions(parts)
    if isinstance(value, Value):
        copied.value = _shown(value.value, encoding)
    elif hasattr(value, "rhs"):
        copied.rhs = _shown(value.rhs, encoding)
    return copied


def _columns(value: BaseExpression) -> Iterator[str]:
    """The names of the columns in an expression that was not resolved yet."""
    for part in value.flatten():
        # Before it is resolved, F on the right of a lookup is not among the lookup's source expressions.
        for column in (part, getattr(part, "rhs", None)):
            if isinstance(column, F):
                yield column.name  # type: ignore[attr-defined]


def _may_show(lookup: str, value: object, encoding: Encoding) -> bool:
    """Whether the value may leave, by all names in the lookup: `user__password__startswith`."""
    return all(encoding.action(name, value) == "keep" for name in lookup.split(LOOKUP_SEP))


def _key(instance: Model, encoding: Encoding) -> str:
    is_kept = key_action(type(instance), rule_of(encoding).redact) == "keep"
    return f"/{instance.pk}" if is_kept else ""
