"""What an event is about: its `subject`, and its `partitionkey`, by which events are kept in order."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Model
from django.utils.functional import Promise

from publisher.encoders.models import ANY_RULE, key_action, key_of, label_of
from publisher.redaction import action_on, redacted
from publisher.rules import Rule

# The kwargs in which the object that an event is about is looked for, in this order; the sender comes last.
SUBJECT_KWARGS = ("instance", "user")
# Types of values that a rule's `subject` kwarg may have, besides instances of models.
KEY_TYPES = (str, int, float, Decimal, UUID, date, Promise)


class About(NamedTuple):
    """`app_label.model_name/pk` of an instance, or `name/value` of the kwarg that the rule names as its `subject`.

    In `partitionkey`, a proxy has the label of its concrete model: they share rows, so their events share an order.
    """

    subject: str
    partitionkey: str


def about_of(sender: object, kwargs: Mapping[str, Any], rule: Rule = ANY_RULE) -> About | None:
    """None if no kwarg, nor the sender, is an object with a key. A key that must not leave is hashed."""
    if rule.subject is not None and (named := _about_value(rule, kwargs.get(rule.subject))) is not None:
        return named
    for candidate in (*map(kwargs.get, SUBJECT_KWARGS), sender):
        if (about := _about_instance(candidate, rule)) is not None:
            return about
    return None


def _about_value(rule: Rule, value: object) -> About | None:
    action = action_on(rule.subject or "", value, rule.redact)
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, KEY_TYPES):
        value = _spelled(value)
        key = value if action == "keep" else redacted("hash", value)
        return About(*[f"{rule.subject}/{key}"] * 2)
    return _about_instance(value, rule)


def _spelled(value: Any) -> Any:
    """Equal values as the same text: 1.0 and 1.00, or one moment in two time zones."""
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value.normalize():f}"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    return str(value) if isinstance(value, Promise) else value


def _about_instance(candidate: object, rule: Rule) -> About | None:
    # A lazy user, as `request.user`, counts as a Model here, since its `__class__` is the model.
    if candidate is None or not isinstance(candidate, Model) or (pk := candidate.pk) is None:
        return None
    model = candidate.__class__
    if type(pk) is not int:
        pk = key_of(model, pk)
    key = pk if key_action(model, rule.redact) == "keep" else redacted("hash", pk)
    return About(f"{label_of(model)}/{key}", f"{label_of(concrete(model))}/{key}")


def concrete(model: type[Model]) -> type[Model]:
    """The model that has the table: for a proxy, the one behind it."""
    return model._meta.concrete_model or model
