"""Warns at run time about users that are sent under rules that say nothing about users."""

import logging
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.models import CharField, EmailField, Field, Model, TextField

from publisher.redaction import named_action
from publisher.rules import Redact
from publisher.wire.registry import Encoding
from publisher.wire.routing import QUEUE_MARK

logger = logging.getLogger(__name__)

# Users in these kwargs of Django's own signals are covered by the system check CHECK.
CHECKED = ("kwargs.instance", "kwargs.user")
CHECK = "publisher.W001"

_told: set[str] = set()


def is_user_model(model: type[Model]) -> bool:
    """Whether this is the model of AUTH_USER_MODEL, a child of it, or a proxy."""
    user = settings.AUTH_USER_MODEL.lower()
    return any(getattr(getattr(kind, "_meta", None), "label_lower", None) == user for kind in model.__mro__)


def undecided(user: type[Model], leaving: "Iterable[Field[Any, Any]]", redact: Redact) -> list[str]:
    """The names of text fields that leave and that `redact` does not name.

    Left out are the primary key and the name by which a user logs in, unless that is an e-mail address.
    """
    texts = [field for field in leaving if isinstance(field, CharField | TextField)]
    open_ = [field for field in texts if named_action(field.name, redact) is None]
    return [field.name for field in open_ if not _is_name_of(user, field)]


def _is_name_of(user: type[Model], field: "Field[Any, Any]") -> bool:
    is_known_by = field.name == getattr(user, "USERNAME_FIELD", None) and not isinstance(field, EmailField)
    return is_known_by or field is user._meta.pk


def advice(user: type[Model], names: Iterable[str]) -> str:
    return (
        f"Name the fields that may be sent: 'fields': {{{user._meta.label!r}: ['id']}}, or give each of these an "
        f"action, which may be 'keep': 'redact': {dict.fromkeys(names, 'mask')}"
    )


def tell_once(encoding: Encoding, path: str, user: type[Model], names: Iterable[str]) -> None:
    """Log a warning, once for each `signal` of a rule, when a user is sent with fields that the rule does not name."""
    rule: Any = getattr(encoding, "rule", None)
    if rule is None or rule.signal in _told:
        return
    signal: str = getattr(encoding, "signal", "")
    # Events for offloaded receivers go to this project's own code. The others are covered by CHECK.
    if rule.signal == QUEUE_MARK or (signal.startswith("django.") and path in CHECKED):
        return
    _told.add(rule.signal)
    if CHECK not in settings.SILENCED_SYSTEM_CHECKS:
        logger.warning(
            "user forwarded with %s signal=%s at=%s model=%s: the rule for %r says nothing about them. %s.",
            ", ".join(names),
            signal,
            path,
            user._meta.label,
            rule.signal,
            advice(user, names),
        )
