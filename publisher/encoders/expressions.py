"""Expressions of queries as text: what the database is to work out. A queryset in one is named, never run."""

from collections.abc import Callable
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

from publisher.encoders.models import ANY_RULE, key_action, label_of
from publisher.redaction import STARS
from publisher.scrubbing import scrubbed
from publisher.unqueried import without_queries
from publisher.wire.codec import Encoding, encodes

MOST_CHARACTERS = 2000
# Whose repr is their value.
PLAIN = (str, bytes, int, float, Decimal, type(None), date, time, timedelta, UUID, Enum, F)
# Whether what is compared with something of this name may be shown.
Shows = Callable[[str, object], bool]


class Shown(str):
    """Text that stands for a part of an expression."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@encodes(BaseExpression, F, Q)
def encode_expression(encoding: Encoding, value: object, path: str) -> Any:
    return encoding.tag(path, "expression", text_of(encoding, value))


def text_of(encoding: Encoding, expression: object) -> str:
    """As Django writes it, `F(price) + Value(1)`, without what is compared with secrets."""

    def shows(lookup: str, value: object) -> bool:
        return all(encoding.action(name, value) == "keep" for name in lookup.split(LOOKUP_SEP))

    try:
        with without_queries():
            text = str(_shown(expression, shows))
    except Exception:
        # Whatever a third-party expression makes of it.
        text = f"{type(expression).__name__}()"
    return scrubbed(text)[:MOST_CHARACTERS]


def _shown(value: Any, shows: Shows) -> Any:
    """The same with everything replaced that would be run, or looked up, to be written."""
    if isinstance(value, Q):
        children = [_child(child, shows) for child in value.children]
        return Q.create(children, value.connector, value.negated)
    # A Query is an expression too.
    if isinstance(value, QuerySet | BaseManager | Query):
        model: Any = value.model
        return Shown(f"QuerySet({label_of(model) if model else ''})")
    if isinstance(value, BaseExpression):
        return _expression(value, shows)
    if isinstance(value, Model):
        return Shown(f"{label_of(type(value))}{_key(value)}")
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown(item, shows) for item in value]
    return value if isinstance(value, PLAIN) else Shown(f"<{type(value).__name__}>")


def _child(child: Any, shows: Shows) -> Any:
    if not isinstance(child, tuple):
        return _shown(child, shows)
    lookup, value = child
    return lookup, _shown(value, shows) if shows(lookup, value) else Shown(STARS)


def _expression(value: BaseExpression, shows: Shows) -> Any:
    copied: Any = value.copy()
    parts = [_shown(part, shows) for part in value.get_source_expressions()]
    if type(value).__repr__ is object.__repr__ and type(value).__str__ is object.__str__:
        return Shown(f"{type(value).__name__}({', '.join(map(repr, parts))})")
    copied.set_source_expressions(parts)
    if isinstance(value, Value):
        copied.value = _shown(value.value, shows)
    elif hasattr(value, "rhs"):
        copied.rhs = _shown(value.rhs, shows)
    return copied


def _key(instance: Model) -> str:
    is_kept = key_action(type(instance), ANY_RULE.redact) == "keep"
    return f"/{instance.pk}" if is_kept else ""
