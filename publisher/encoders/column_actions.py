"""Decides whether a column leaves as it is, masked, hashed or not at all: by its name, its class, and its model."""

from typing import Any

from django.db.models import (
    AutoField,
    BinaryField,
    BooleanField,
    CharField,
    DateField,
    DurationField,
    Field,
    ForeignKey,
    Model,
    TextField,
    TimeField,
)

from publisher.redaction import is_secret, is_secret_column, is_secret_text, named_action
from publisher.rules import Redact

# Fields that never hold a secret itself, only whether there is one, since when, or for how long.
HARMLESS_FIELDS = (BooleanField, DateField, TimeField, DurationField)


def column_action(
    field: "Field[Any, Any]", redact: Redact, *, model: type[Model] | None = None, is_chosen: bool = False
) -> str:
    """What becomes of a field's value, one of ACTIONS: what `redact` says; else a secret is dropped, unless the rule's
    `fields` name it (`is_chosen`).
    """
    named = _named_action(field, redact)
    if named is not None or is_chosen:
        return named or "keep"
    return "drop" if _is_secret(field, model or field.model) else "keep"


def _named_action(field: "Field[Any, Any]", redact: Redact) -> str | None:
    """The action that `redact` has for the field's name, or else, for a foreign key, for the field that it refers to.

    The action `keep` is not passed on to the foreign key.
    """
    action = named_action(field.name, redact)
    if action is None and redact and isinstance(field, ForeignKey):
        referred = _named_action(field.target_field, redact)
        return None if referred == "keep" else referred
    return action


def _is_secret(field: "Field[Any, Any]", model: type[Model]) -> bool:
    """Whether a field holds a secret, by its class (PasswordField, EncryptedTextField), its name and its model; for a
    foreign key, by the field that it refers to.
    """
    kind = type(field).__name__
    if is_secret(kind) or "encrypted" in kind.lower():
        return True
    if isinstance(field, HARMLESS_FIELDS):
        return False
    if isinstance(field, ForeignKey):
        return _refers_to_secret(field)
    # A child or a proxy may have a telling name, and its parent the column.
    is_named_so = any(is_secret_column(each, field.name) for each in {model, field.model})
    return is_named_so or (is_free_text(field) and is_secret_text(field.name))


def is_free_text(field: "Field[Any, Any]") -> bool:
    """Whether the column may hold any text, as the key of a session; not one of a few choices, as `spring`."""
    return isinstance(field, CharField | TextField | BinaryField) and not field.choices


def _refers_to_secret(field: "ForeignKey[Any, Any]") -> bool:
    """Whether a foreign key's value, which is the other row's key, is a secret. A number that counts rows is not."""
    target = field.target_field
    while isinstance(target, ForeignKey):
        # The other row's key is a foreign key itself.
        target = target.target_field
    if isinstance(target, AutoField):
        return False
    return _is_secret(target, target.model) or is_secret_column(field.model, field.name)
