"""`settings.SIGNAL_BRIDGE`, read at every access so that `override_settings` works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings

from publisher.rule_entry import UNROUTABLES, redact_from, rules_from
from publisher.rules import Redact, Rule

if TYPE_CHECKING:
    from publisher.offload_entry import OffloadEntry

ALL_DROPPED: Redact = (("*", "drop"),)
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
}


def given() -> dict[str, Any]:
    """The dict as the project wrote it; empty when it is missing or no dict (the checks tell)."""
    value = getattr(settings, "SIGNAL_BRIDGE", None)
    return value if isinstance(value, dict) else {}


def setting(name: str) -> Any:
    return given().get(name, DEFAULTS[name])


def broker_url() -> str:
    return str(setting("BROKER_URL"))


def exchange() -> str:
    return str(setting("EXCHANGE"))


def service() -> str:
    """Names this service's queues, and the source of its events."""
    return str(setting("SERVICE"))


def source() -> str:
    """The CloudEvents source of what this service sends."""
    return f"/{service()}"


def rules() -> tuple[Rule, ...]:
    """The entries of FORWARD that can be read, in order; the checks name those that cannot."""
    return rules_from(setting("FORWARD"), redact=redact(), strict=is_strict(), unroutable=unroutable())


def redact() -> Redact:
    """What becomes of values by their names, in all rules; where it cannot be read (a check tells), all is dropped."""
    try:
        return redact_from(setting("REDACT"))
    except (TypeError, ValueError):
        # Not nothing: what it meant to hide would leave.
        return ALL_DROPPED


def is_redact_read() -> bool:
    """Whether REDACT can be read: until then, that all is dropped tells nothing of a name."""
    return redact() is not ALL_DROPPED


def offload() -> tuple[OffloadEntry, ...]:
    """The entries of OFFLOAD that can be read, in order; the checks name those that cannot."""
    entries = setting("OFFLOAD")
    if not entries:
        return ()
    # A site without any starts sooner.
    from publisher.offload_entry import offload_entries_from

    return offload_entries_from(entries)


def is_strict() -> bool:
    """Whether what cannot be encoded is an error, in the rules that do not say so themselves."""
    return setting("STRICT") is True


def unroutable() -> str | None:
    """What becomes of an event that no queue is bound for, where its rule does not say; None leaves it to the relay."""
    value = setting("UNROUTABLE")
    return value if value in UNROUTABLES else None


def shards() -> int:
    """Into how many parts, by hash of the partitionkey, the outbox is divided among relays."""
    return int(setting("SHARDS"))


def forwards_raw() -> bool:
    """Whether what fixtures load (`raw=True`) is forwarded."""
    return bool(setting("FORWARD_RAW"))


def inbox_days() -> float:
    """How long handled events are remembered, to be known when they come again."""
    return float(setting("INBOX_DAYS"))


def max_hops() -> int:
    """After how many events that caused each other the next one is a dead letter: it goes in a circle."""
    return int(setting("MAX_HOPS"))


def management_url() -> str:
    """Where RabbitMQ's console is, for what AMQP cannot tell; empty when it is not given."""
    return str(setting("MANAGEMENT_URL") or "")


def on_failure() -> str | None:
    """The dotted path of a function that is told what handlers raise."""
    path = setting("ON_FAILURE")
    return str(path) if path else None


def handler_modules() -> tuple[str, ...]:
    """Modules with handlers, beside the `consumers.py` of each installed app; none where it is no list."""
    names = setting("HANDLERS")
    return tuple(names) if isinstance(names, list | tuple) else ()
