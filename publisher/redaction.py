"""What must not leave as it is: names that sound like secrets, and what REDACT and a rule's `redact` name."""

from datetime import date, time, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from django.db.models import CharField, Model, TextField
from django.utils.crypto import salted_hmac

from publisher.rules import Redact
from publisher.secret_names import holds_secret, is_for_once, is_keyed, sounds_secret
from publisher.wire.registry import HASHED, MASKED

TAGS = {"mask": MASKED, "hash": HASHED}
STARS = "***"
HASH_CHARACTERS = 32

# Values that are never secrets, whatever they are called: whether there is one, and since when or for how long.
HARMLESS_TYPES = (bool, date, time, timedelta)


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether a field, kwarg or key of this name is dropped unless a rule names it outright.

    >>> [is_secret(name) for name in ("password", "apiKey", "client-secret", "passenger", "author")]
    [True, True, True, False, False]
    """
    return sounds_secret(name)


@lru_cache(maxsize=4096)
def is_secret_column(model: type[Model], name: str) -> bool:
    """The same of a model's field: the `key` of an AuthToken is one, that of a Setting is not."""
    columns = (field.name for field in model._meta.concrete_fields)
    return (
        is_secret(name)
        or holds_secret(model.__name__, name)
        or is_for_once(name, columns)
        or _is_textual_key(model, name)
    )


@lru_cache(maxsize=4096)
def named_action(name: str, redact: Redact) -> str | None:
    """What `redact` says of a name; None when it says nothing."""
    lower = name.lower()
    return next((action for glob, action in redact if fnmatchcase(lower, glob)), None)


@lru_cache(maxsize=4096)
def action_of(name: str, redact: Redact) -> str:
    """What becomes of a kwarg, of a dict's key or of an object's attribute, as far as its name tells."""
    return named_action(name, redact) or ("drop" if is_secret(name) else "keep")


def action_on(name: str, value: object, redact: Redact) -> str:
    """The same of this value: `password_changed=True` is no secret, unless it was named as one."""
    action = action_of(name, redact)
    # By its type alone: a lazy object would be evaluated to tell its class.
    is_kept = action == "drop" and issubclass(type(value), HARMLESS_TYPES) and named_action(name, redact) is None
    return "keep" if is_kept else action


def redacted(action: str, value: object) -> str | None:
    """What leaves instead of a value: `mask` shows that it is there, `hash` whether it is the same as another."""
    if value is None:
        return None
    return _hashed(value) if action == "hash" else _masked(value)


def _is_textual_key(model: type[Model], name: str) -> bool:
    """That of an API key has its prefix and its hash, for one."""
    pk = model._meta.pk
    return name == pk.name and isinstance(pk, CharField | TextField) and is_keyed(model.__name__)


def _masked(value: object) -> str:
    text = value if isinstance(value, str) else ""
    local, at, domain = text.rpartition("@")
    if at:
        return f"{local[:1]}{STARS}@{domain}"
    return f"{text[:1]}{STARS}" if len(text) > len(STARS) else STARS


def _hashed(value: Any) -> str:
    # With the project's key: that of an e-mail address alone could be found by trying.
    text = str(value).encode(errors="backslashreplace")
    return salted_hmac("publisher.redaction", text, algorithm="sha256").hexdigest()[:HASH_CHARACTERS]
