"""Hides values that must not leave as they are: drops, masks or hashes them, and tags their paths."""

from enum import Enum
from typing import Any, NamedTuple

from django.utils.functional import Promise

from publisher.redaction import TAGS, redacted
from publisher.wire.registry import DROPPED, Encoding, encodes


class Hidden(NamedTuple):
    """A value with an action, `mask`, `hash` or `drop`, that its encoder applies."""

    action: str
    value: Any


def encode_redacted(encoding: Encoding, action: str, value: Any, path: str) -> str | None:
    """What is sent instead of a value under this action; None for `drop`."""
    encoding.types[path] = TAGS.get(action, DROPPED)
    return redacted(action, value) if action in TAGS else None


def forget(encoding: Encoding, path: str) -> None:
    """Remove the tags of the value at this path and of all inside it: it will not be sent as it was encoded."""
    for begun in [known for known in encoding.types if f"{known}.".startswith(f"{path}.")]:
        del encoding.types[begun]


def called(value: object) -> str | None:
    """The value as a name: it may be text, bytes (as in headers), an enum, or a lazy translation; else None."""
    if isinstance(value, Enum):
        value = value.value if isinstance(value.value, str | bytes) else value.name
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value) if isinstance(value, str | Promise) else None


def hide_named(encoding: Encoding, plain: dict[str, Any], name: object, value_name: str, path: str) -> bool:
    """Hide an encoded value whose name stands beside it: `setting="SECRET_KEY", value=...`.

    `value_name` is its key in `plain`, which is changed in place. Returns whether the value was hidden.
    """
    if (word := called(name)) is None or value_name not in plain:
        return False
    action = encoding.action(word, plain[value_name])
    if action == "keep":
        return False
    hide(encoding, plain, action, value_name, path)
    return True


def hide(encoding: Encoding, plain: dict[str, Any], action: str, value_name: str, path: str) -> None:
    """Put what may leave in the place of a value that was encoded already, if it is there."""
    if value_name not in plain:
        return
    forget(encoding, path)
    left = encode_redacted(encoding, action, plain.pop(value_name), path)
    if action != "drop":
        plain[value_name] = left


@encodes(Hidden)
def encode_hidden(encoding: Encoding, value: Hidden, path: str) -> str | None:
    return encode_redacted(encoding, value.action, value.value, path)
