"""`settings.SIGNAL_BRIDGE`, read at every access so that `override_settings` works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings

from publisher.rule_entry import UNROUTABLES, redact_from, rules_from
from publisher.rules import Redact, Rule
from publisher.wire.source import source_of

if TYPE_CHECKING:
    from publisher.offload_entry import OffloadEntry

ALL_DROPPED: Redact = (("*", "drop"),)
# The most that INBOX_DAYS may be: a century. Databases have no dates much farther off.
MOST_DAYS = 36_500
DEFAULTS: dict[str, Any] = {
    "BROKER_URL": "amqp://guest:guest@localhost:5672/%2F",
    "EXCHANGE": "signals",
    "SERVICE": "django",
    "FORWARD": (),
    "REDACT": {},
    "OFFLOAD": (),
    "HANDLERS": (),
    "MANAGEMENT_URL": None,
    "SHARDS": 1,
    "INBOX_DAYS": 30,
    "MAX_HOPS": 16,
    "FORWARD_RAW": False,
    "STRICT": False,
    "UNROUTABLE": None,
    "ON_FAILURE": None,
    "EXTENSIONS": None,
    "HANDLER_CONTEXT": None,
}


def given() -> dict[str, Any]:
    """The dict as the project wrote it. Empty when it is missing or no dict, which a system check reports."""
    value = getattr(settings, "SIGNAL_BRIDGE", None)
    return value if isinstance(value, dict) else {}


def setting(name: str) -> Any:
    return given().get(name, DEFAULTS[name])


def broker_url() -> str:
    return str(setting("BROKER_URL"))


def exchange() -> str:
    return str(setting("EXCHANGE"))


def service() -> str:
    """The name that this service's queues begin with, and the source of its events."""
    return str(setting("SERVICE"))


def source() -> str:
    """The CloudEvents source of what this service sends."""
    return source_of(service())


def rules() -> tuple[Rule, ...]:
    """The entries of FORWARD, in order. A system check reports those that cannot be read."""
    return rules_from(setting("FORWARD"), redact=redact(), strict=is_strict(), unroutable=unroutable())


def redact() -> Redact:
    """What becomes of values because of their names, in all rules. If REDACT cannot be read, all values are dropped."""
    try:
        return redact_from(setting("REDACT"))
    except (TypeError, ValueError):
        # A system check reports this. Until it is corrected, what REDACT was meant to hide must not leave.
        return ALL_DROPPED


def is_redact_read() -> bool:
    """Whether REDACT can be read. If not, `redact()` drops everything, which says nothing about a particular name."""
    return redact() is not ALL_DROPPED


def offload() -> tuple[OffloadEntry, ...]:
    """The entries of OFFLOAD, in order. A system check reports those that cannot be read."""
    entries = setting("OFFLOAD")
    if not entries:
        return ()
    # Not at the top: a site without OFFLOAD starts sooner without this module.
    from publisher.offload_entry import offload_entries_from

    return offload_entries_from(entries)


def is_strict() -> bool:
    """Whether an event that cannot be made is an error, for rules without `strict`."""
    return setting("STRICT") is True


def unroutable() -> str | None:
    """What becomes of an event that no queue is bound for, for rules without `unroutable`. None: the relay decides."""
    value = setting("UNROUTABLE")
    return value if value in UNROUTABLES else None


def shards() -> int:
    """The number of parts in which the outbox is divided among relays, by a hash of the partitionkey."""
    return int(setting("SHARDS"))


def forwards_raw() -> bool:
    """Whether signals that are sent while a fixture is loaded (`raw=True`) are forwarded."""
    return bool(setting("FORWARD_RAW"))


def inbox_days() -> float:
    """For how many days the ids of handled events are kept, to recognise an event that is delivered again."""
    return float(setting("INBOX_DAYS"))


def max_hops() -> int:
    """How many events may cause each other in a row. The next one is a dead letter: handlers seem to go in a circle."""
    return int(setting("MAX_HOPS"))


def management_url() -> str:
    """The URL of RabbitMQ's management API, which knows more than AMQP can ask for; empty when it is not given."""
    return str(setting("MANAGEMENT_URL") or "")


def on_failure() -> str | None:
    """The dotted path of a function that is called when a handler fails."""
    return _path("ON_FAILURE")


def extensions() -> str | None:
    """The dotted path of a function whose answer is added to each event's attributes."""
    return _path("EXTENSIONS")


def handler_context() -> str | None:
    """The dotted path of a function that takes an event and returns a context manager, in which its handler runs."""
    return _path("HANDLER_CONTEXT")


def _path(name: str) -> str | None:
    path = setting(name)
    return str(path) if path else None


def handler_modules() -> tuple[str, ...]:
    """Modules with handlers, in addition to the `consumers.py` of each installed app."""
    names = setting("HANDLERS")
    return tuple(names) if isinstance(names, list | tuple) else ()
