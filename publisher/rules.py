"""Rules: which signals of which senders are forwarded, and as what. The first that matches decides.

This is read from the settings when a site starts: what only an event needs is elsewhere.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, NamedTuple, TypeGuard

DELIVERIES = ("outbox", "direct", "ask")
UNROUTABLES = ("drop", "keep")
KEYS = (
    "signal", "senders", "exclude", "fields", "omit_fields", "redact", "routing_key", "when", "delivery", "unroutable",
    "strict", "traceback", "changes", "timeout", "on_timeout", "subject",
)  # fmt: skip
ASK_SECONDS = 1.0
WILDCARDS = frozenset("*?[")

# Sent per row read, or before the apps are ready: forwarded only when named outright.
UNLESS_NAMED = frozenset(f"django.db.models.signals.{name}" for name in ("pre_init", "post_init", "class_prepared"))
# A development tool's, of each page, also in async code, where nothing can be written: the same.
OF_TOOLS = frozenset(("debug_toolbar.toolbar.DebugToolbar._created",))
# Sent by the configuration of an app: whoever names senders for a glob means models.
SENT_BY_APPS = frozenset(f"django.db.models.signals.{name}" for name in ("pre_migrate", "post_migrate"))
# Sessions hold secrets, and the bridge must not forward its own work.
SENDERS_UNLESS_NAMED = frozenset(("sessions.session",))
OWN_APPS = frozenset(("publisher", "consumers"))
# What becomes of a value by its name. `keep` overrules what would be done otherwise.
ACTIONS = ("drop", "mask", "hash", "keep")
# (glob over lower-case names, action): the first that matches decides.
Redact = tuple[tuple[str, str], ...]

NO_FIELDS: frozenset[str] = frozenset()
FOR_NO_MODEL: Mapping[str, frozenset[str]] = MappingProxyType({})


class AnyCase(str):
    """Text in lower case, as labels are; in messages it is shown as it was written."""

    __slots__ = ("written",)
    written: str

    def __new__(cls, written: str) -> "AnyCase":
        text = super().__new__(cls, written.lower())
        text.written = written
        return text

    def __repr__(self) -> str:
        return repr(self.written)


class WrongValue(ValueError):
    """What stands under a key is none of what may stand there."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


class Rule(NamedTuple):
    """One entry of FORWARD. Senders are lower-case globs over labels; no senders means all of them.

    `redact` has what the rule says before what the project says. `strict` is for what cannot be encoded, or not formed:
    an error then, where otherwise something stands for it.
    `unroutable` is None where the relay decides: what a handler of the project is there for is kept.
    `subject` is the kwarg that an event is about.
    `timeout` is in seconds, and `on_timeout` what the sender gets when it is over: both are of `delivery: "ask"`.
    """

    signal: str
    senders: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    fields: Mapping[str, frozenset[str]] = FOR_NO_MODEL
    omit_fields: Mapping[str, frozenset[str]] = FOR_NO_MODEL
    redact: Redact = ()
    routing_key: str | None = None
    when: str | None = None
    delivery: str = "outbox"
    unroutable: str | None = None
    strict: bool = False
    traceback: bool = False
    changes: bool = False
    timeout: float = ASK_SECONDS
    on_timeout: Any = None
    subject: str | None = None

    @property
    def fails_sender(self) -> bool:
        """Whether the sender is told that its event could not be encoded: the transaction must not commit then."""
        return self.strict and self.delivery == "outbox"

    def takes_signal(self, name: str) -> bool:
        if name in UNLESS_NAMED or name in OF_TOOLS or (self.senders and name in SENT_BY_APPS):
            return self.signal == name
        return fnmatchcase(name, self.signal)

    def takes_sender(self, label: str | None, *, is_text: bool = False) -> bool:
        """Whether the rule is for this sender, given as `app_label.model_name`, `package.classname` or its own text."""
        if label is None:
            return not self.senders
        if not is_text and label.partition(".")[0] in OWN_APPS:
            return False
        if label in SENDERS_UNLESS_NAMED:
            return label in self.senders
        taken = not self.senders or any(fnmatchcase(label, glob) for glob in self.senders)
        return taken and not any(fnmatchcase(label, glob) for glob in self.exclude)


def is_flag(value: object) -> TypeGuard[bool]:
    return isinstance(value, bool)


def is_positive(value: object) -> bool:
    """A number, that is, and more than nothing."""
    return isinstance(value, int | float) and not is_flag(value) and value > 0


def is_count(value: object) -> bool:
    """A whole number from 1 on."""
    return isinstance(value, int) and not is_flag(value) and value >= 1


def is_glob(pattern: str) -> bool:
    return not WILDCARDS.isdisjoint(pattern)


def rule_from(entry: object, *, redact: Redact = (), strict: bool = False, unroutable: str | None = None) -> Rule:
    """`redact`, `strict` and `unroutable` are the project's. Raises ValueError or TypeError for what is no rule."""
    if isinstance(entry, str):
        return Rule(signal=entry, redact=redact, strict=strict, unroutable=unroutable)
    if not isinstance(entry, Mapping):
        raise TypeError(f"a rule is a signal's path or a dict, not {entry!r}")
    unknown = [key for key in entry if key not in KEYS]
    if unknown or "signal" not in entry:
        raise ValueError(f"unknown keys {unknown}" if unknown else "a rule needs the key 'signal'")
    given = {key: _read(key, value) for key, value in entry.items()}
    if given.get("delivery", "outbox") != "outbox":
        # The others keep nothing.
        unroutable = None
    return Rule(**{"strict": strict, "unroutable": unroutable, **given, "redact": given.get("redact", ()) + redact})


def redact_from(entries: object) -> Redact:
    """Raises TypeError or ValueError for what is no dict of name to action."""
    if not isinstance(entries, Mapping):
        raise TypeError(f"expected a dict of name to action, not {entries!r}")
    for name, action in entries.items():
        if not isinstance(name, str) or not name:
            raise TypeError(f"expected a name, not {name!r}")
        if action not in ACTIONS:
            raise ValueError(f"{name!r}: there is no action {action!r}; there are {', '.join(ACTIONS)}")
    return tuple((name.lower(), action) for name, action in entries.items())


def rules_from(
    entries: object, *, redact: Redact = (), strict: bool = False, unroutable: str | None = None
) -> tuple[Rule, ...]:
    """The rules that can be read; a bad entry forwards nothing, and is a system-check error."""
    rules = []
    for entry in entries if isinstance(entries, list | tuple) else ():
        try:
            rules.append(rule_from(entry, redact=redact, strict=strict, unroutable=unroutable))
        except (ValueError, TypeError):
            continue
    return tuple(rules)


def first_match(rules: Iterable[Rule], sender: str | None) -> Rule | None:
    return next((rule for rule in rules if rule.takes_sender(sender)), None)


def may_decide(rules: Iterable[Rule], sender: str | None) -> Iterator[Rule]:
    """Those that events of this sender may go by, in order: a rule with `when` leaves some to those behind it.

    None stands for any sender, known when it sends.
    """
    for rule in rules:
        if sender is None or rule.takes_sender(sender):
            yield rule
            if rule.when is None and (sender is not None or not (rule.senders or rule.exclude)):
                return


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
            raise ValueError(f"there is no {value!r}")
        return value

    return read


def _texts(values: object) -> tuple[str, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"expected a list of strings, not {values!r}")
    return tuple(_text(value) for value in values)


def _globs(values: object) -> tuple[str, ...]:
    return tuple(map(AnyCase, _texts(values)))


def _senders(values: object) -> tuple[str, ...]:
    """A list that a program left empty means no sender, not all of them."""
    globs = _globs(values)
    if not globs:
        raise ValueError("an empty list takes no sender")
    return globs


def _fields(values: object) -> dict[str, frozenset[str]]:
    if not isinstance(values, Mapping):
        raise TypeError(f"expected a dict of model label to field names, not {values!r}")
    return {AnyCase(_text(label)): frozenset(_texts(names)) for label, names in values.items()}


# The checks look at `when` and `routing_key`. Where those are wrong all is forwarded, under the default key.
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
