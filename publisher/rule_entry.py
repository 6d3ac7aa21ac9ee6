"""Reads an entry of FORWARD into a Rule, and reads REDACT. Raises for wrong values, which the system checks report."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeGuard

from publisher.rules import ACTIONS, Redact, Rule

DELIVERIES = ("outbox", "direct", "ask")
UNROUTABLES = ("drop", "keep")
KEYS = Rule._fields
LONGEST_WAIT_SECONDS = timedelta(days=366).total_seconds()


class AnyCase(str):
    """Text in lower case, as Django's labels are. Messages show it as it was written."""

    __slots__ = ("written",)
    written: str

    def __new__(cls, written: str) -> "AnyCase":
        text = super().__new__(cls, written.lower())
        text.written = written
        return text

    def __repr__(self) -> str:
        return repr(self.written)


class WrongValue(ValueError):
    """The value under `key` is not one that this key may have."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


def rule_from(entry: object, *, redact: Redact = (), strict: bool = False, unroutable: str | None = None) -> Rule:
    """`redact`, `strict` and `unroutable` are project settings. Raises ValueError or TypeError if `entry` is wrong."""
    if isinstance(entry, str):
        return Rule(signal=entry, redact=redact, strict=strict, unroutable=unroutable)
    if not isinstance(entry, Mapping):
        raise TypeError(f"a rule is a signal's path or a dict, not {entry!r}")
    unknown = [key for key in entry if key not in KEYS]
    if unknown or "signal" not in entry:
        raise ValueError(f"unknown keys {unknown}" if unknown else "a rule needs the key 'signal'")
    given = {key: _read(key, value) for key, value in entry.items()}
    if given.get("delivery", "outbox") != "outbox":
        # The other deliveries cannot keep an event, whatever the project's UNROUTABLE says.
        unroutable = None
    return Rule(**{"strict": strict, "unroutable": unroutable, **given, "redact": given.get("redact", ()) + redact})


def rules_from(
    entries: object, *, redact: Redact = (), strict: bool = False, unroutable: str | None = None
) -> tuple[Rule, ...]:
    """The rules that can be read. A wrong entry forwards nothing, and is a system-check error."""
    rules = []
    for entry in entries if isinstance(entries, list | tuple) else ():
        try:
            rules.append(rule_from(entry, redact=redact, strict=strict, unroutable=unroutable))
        except (ValueError, TypeError):
            continue
    return tuple(rules)


def redact_from(entries: object) -> Redact:
    """Pairs of lower-case glob and action. Raises TypeError or ValueError unless `entries` maps names to actions."""
    if not isinstance(entries, Mapping):
        raise TypeError(f"expected a dict of name to action, not {entries!r}")
    for name, action in entries.items():
        if not isinstance(name, str) or not name:
            raise TypeError(f"expected a name, not {name!r}")
        if action not in ACTIONS:
            raise ValueError(f"{name!r}: there is no action {action!r}; there are {', '.join(ACTIONS)}")
    return tuple((name.lower(), action) for name, action in entries.items())


def is_flag(value: object) -> TypeGuard[bool]:
    return isinstance(value, bool)


def is_positive(value: object) -> bool:
    """Whether it is a number above 0."""
    return isinstance(value, int | float) and not is_flag(value) and value > 0


def is_wait(value: object) -> bool:
    """Whether it is a number of seconds that can be waited before another attempt, from 0 to a year."""
    return isinstance(value, int | float) and 0 <= value <= LONGEST_WAIT_SECONDS


def is_count(value: object) -> bool:
    """Whether it is a whole number from 1 on."""
    return isinstance(value, int) and not is_flag(value) and value >= 1


def _read(key: str, value: object) -> Any:
    read = READERS.get(key)
    try:
        return value if read is None else read(value)
    except (ValueError, TypeError) as exc:
        raise WrongValue(key, f"{key!r}: {exc}") from exc


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, not {value!r}")
    return value


def _name(value: object) -> str:
    if not _text(value).isidentifier():
        raise ValueError(f"expected the name of a kwarg, not {value!r}")
    return _text(value)


def _flag(value: object) -> bool:
    if not is_flag(value):
        raise TypeError(f"expected True or False, not {value!r}")
    return value


def _seconds(value: object) -> Any:
    if not is_positive(value):
        raise ValueError(f"expected a number of seconds, not {value!r}")
    return value


def _one_of(*known: str) -> Callable[[object], Any]:
    def read(value: object) -> Any:
        if value not in known:
            raise ValueError(f"unknown value {value!r}")
        return value

    return read


def _texts(values: object) -> tuple[str, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"expected a list of strings, not {values!r}")
    return tuple(_text(value) for value in values)


def _globs(values: object) -> tuple[str, ...]:
    return tuple(map(AnyCase, _texts(values)))


def _senders(values: object) -> tuple[str, ...]:
    """An empty list is an error: a program that computed it means no sender, but a Rule without senders takes all."""
    globs = _globs(values)
    if not globs:
        raise ValueError("an empty list takes no sender")
    return globs


def _fields(values: object) -> dict[str, frozenset[str]]:
    if not isinstance(values, Mapping):
        raise TypeError(f"expected a dict of model label to field names, not {values!r}")
    return {AnyCase(_text(label)): frozenset(_texts(names)) for label, names in values.items()}


# A wrong `when` or `routing_key` does not make the whole rule wrong: the rule forwards regardless of the `when`, and
# under the default key. System checks report both.
READERS: Mapping[str, Callable[[object], Any]] = {
    "signal": _text,
    "senders": _senders,
    "exclude": _globs,
    "fields": _fields,
    "omit_fields": _fields,
    "redact": redact_from,
    "delivery": _one_of(*DELIVERIES),
    "unroutable": _one_of(*UNROUTABLES),
    "timeout": _seconds,
    "strict": _flag,
    "traceback": _flag,
    "changes": _flag,
    "subject": _name,
}
