"""What an event is about: its `subject`, and its `partitionkey`, by which events are kept in order."""

from collections.abc import Mapping
from contextlib import suppress
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
from publisher.secret_names import named_values

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
    if rule.subject is not None and (named := _about_value(rule, rule.subject, kwargs)) is not None:
        return named
    for name in SUBJECT_KWARGS:
        candidate = kwargs.get(name)
        is_hidden = candidate is not None and action_on(name, candidate, rule.redact) != "keep"
        if (about := _about_instance(candidate, rule, is_hidden=is_hidden)) is not None:
            return about
    return _about_instance(sender, rule)


def _is_hidden(rule: Rule, subject: str, kwargs: Mapping[str, Any]) -> bool:
    """Whether this kwarg must not leave as it is, by its name or by one that another kwarg gives it."""
    value = kwargs.get(subject)
    names = [kwargs[name] for name, value_name in named_values(kwargs) if value_name == subject]
    return any(action_on(name, value, rule.redact) != "keep" for name in (subject, *names) if isinstance(name, str))


def _about_value(rule: Rule, subject: str, kwargs: Mapping[str, Any]) -> About | None:
    value, is_hidden = kwargs.get(subject), _is_hidden(rule, subject, kwargs)
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, KEY_TYPES):
        value = _spelled(value)
        key = redacted("hash", value) if is_hidden else value
        return About(*[f"{subject}/{key}"] * 2)
    return _about_instance(value, rule, is_hidden=is_hidden)


def _spelled(value: Any) -> Any:
    """Equal values as the same text: 1.0 and 1.00, or one moment in two time zones."""
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value.normalize():f}"
    if isinstance(value, datetime) and value.tzinfo is not None:
        with suppress(OverflowError):  # of the first and the last day that there are
            return value.astimezone(UTC)
    return str(value) if isinstance(value, Promise) else value


def _about_instance(candidate: object, rule: Rule, *, is_hidden: bool = False) -> About | None:
    # A lazy user, as `request.user`, counts as a Model here, since its `__class__` is the model.
    if candidate is None or not isinstance(candidate, Model) or (pk := candidate.pk) is None:
        return None
    model = candidate.__class__
    if type(pk) is not int:
        pk = key_of(model, pk)
    key = redacted("hash", pk) if is_hidden or key_action(model, rule.redact) != "keep" else pk
    return About(f"{label_of(model)}/{key}", f"{label_of(concrete(model))}/{key}")


def concrete(model: type[Model]) -> type[Model]:
    """The model that has the table: for a proxy, the one behind it."""
    return model._meta.concrete_model or model
