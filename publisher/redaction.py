"""Decides by its name what becomes of a value. REDACT and a rule's `redact` decide first; else secrets are dropped."""

import re
from collections.abc import Iterable
from datetime import date, time, timedelta
from enum import Enum
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, cast

from django.db.models import CharField, Model, TextField
from django.utils.crypto import salted_hmac
from django.utils.functional import Promise

from publisher.rules import Redact
from publisher.secret_names import holds_secret, is_for_once, is_keyed, sounds_secret, sounds_secret_as_text
from publisher.wire.registry import HASHED, MASKED

TAGS = {"mask": MASKED, "hash": HASHED}
STARS = "***"
HASH_CHARACTERS = 32

# Values that are never secrets, whatever their name: `has_password`, `token_expires_at`, `session_lifetime`.
HARMLESS_TYPES = (bool, date, time, timedelta)
# An address of mail: its domain is shown.
ADDRESS = re.compile(r"(?P<first>[^@\s])[^@\s]*@(?P<domain>[^@\s]+\.[^@\s]+)")
TEXT_TYPES = (str, bytes, bytearray, memoryview)


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether a field, kwarg or key of this name is dropped unless a rule names it outright.

    >>> [is_secret(name) for name in ("password", "apiKey", "client-secret", "passenger", "author")]
    [True, True, True, False, False]
    """
    return sounds_secret(name)


@lru_cache(maxsize=4096)
def is_secret_text(name: str) -> bool:
    """Whether text of this name is dropped: every secret, and a `session`, which may be harmless if it is a number."""
    return is_secret(name) or sounds_secret_as_text(name)


@lru_cache(maxsize=4096)
def is_secret_column(model: type[Model], name: str) -> bool:
    """Like `is_secret`, for a model's field. The model counts too: the `key` of an AuthToken, not of a Setting."""
    columns = (field.name for field in model._meta.concrete_fields)
    return (
        is_secret(name)
        or holds_secret(model.__name__, name)
        or is_for_once(name, columns)
        or _is_textual_key(model, name)
    )


@lru_cache(maxsize=4096)
def named_action(name: str, redact: Redact) -> str | None:
    """The action that `redact` has for this name; None when it has none."""
    lower = name.lower()
    return next((action for glob, action in redact if fnmatchcase(lower, glob)), None)


@lru_cache(maxsize=4096)
def action_of(name: str, redact: Redact) -> str:
    """What becomes of a kwarg, a dict's key or an object's attribute of this name, whatever its value is."""
    return named_action(name, redact) or ("drop" if is_secret(name) else "keep")


@lru_cache(maxsize=4096)
def action_of_text(name: str, redact: Redact) -> str:
    """Like `action_of`, where the value is text."""
    return named_action(name, redact) or ("drop" if is_secret_text(name) else "keep")


def action_on(name: str, value: object, redact: Redact) -> str:
    """Like `action_of`, for this value: `password_changed=True` or `session=5` is kept, unless `redact` names it."""
    action = action_of_text(name, redact)
    if action != "drop" or named_action(name, redact) is not None:
        return action
    # `type()`, not `isinstance()`, which would evaluate a lazy object.
    is_kept = issubclass(type(value), HARMLESS_TYPES) if is_secret(name) else not _has_text(value)
    return "keep" if is_kept else "drop"


def redacted(action: str, value: object) -> str | None:
    """What is sent instead of a value. `mask` shows that there is one; `hash` shows which values are equal."""
    if value is None:
        return None
    return _hashed(value) if action == "hash" else _masked(value)


def _has_text(value: object) -> bool:
    """Whether the value is text or bytes, or a collection with some, as in a form. An enum's member is no free text."""
    kind = type(value)
    if issubclass(kind, list | tuple | set | frozenset):
        return any(issubclass(type(item), TEXT_TYPES) for item in cast("Iterable[object]", value))
    # A lazy value may be text. To find out would evaluate it.
    return issubclass(kind, (*TEXT_TYPES, Promise)) and not issubclass(kind, Enum)


def _is_textual_key(model: type[Model], name: str) -> bool:
    """Whether this is a text primary key that may contain a secret: that of djangorestframework-api-key has a hash."""
    pk = model._meta.pk
    return name == pk.name and isinstance(pk, CharField | TextField) and is_keyed(model.__name__)


def _masked(value: object) -> str:
    text = value if isinstance(value, str) else ""
    if (address := ADDRESS.fullmatch(text)) is not None:
        return f"{address['first']}{STARS}@{address['domain']}"
    return f"{text[:1]}{STARS}" if len(text) > len(STARS) else STARS


def _hashed(value: Any) -> str:
    # Keyed with SECRET_KEY: otherwise, trying all likely e-mail addresses would find the one with this hash.
    text = str(value).encode(errors="backslashreplace")
    return salted_hmac("publisher.redaction", text, algorithm="sha256").hexdigest()[:HASH_CHARACTERS]
