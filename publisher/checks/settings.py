"""System checks of SIGNAL_BRIDGE. Everything that is misspelt is reported."""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module
from inspect import iscoroutinefunction, signature
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string

from publisher import conf
from publisher.catalogue.signals import one_look
from publisher.checks.ask import TIMEOUT_HINT, check_keys_of_ask
from publisher.checks.exposure import check_copies, check_user_model
from publisher.checks.order import check_order
from publisher.checks.rules import RULE_CHECKS
from publisher.encoders.discovery import load_encoders
from publisher.events.rows import SLOTS
from publisher.hints import near
from publisher.raised import why_not_imported
from publisher.rule_entry import DELIVERIES, KEYS, UNROUTABLES, WrongValue, is_flag, is_positive, redact_from, rule_from
from publisher.rules import Rule
from publisher.wire.url_flaws import NO_URL, URL_HINT, flaw_of

DICT_HINT = "Write a dict, as SIGNAL_BRIDGE = {'SERVICE': 'shop', 'FORWARD': [...]}; docs/settings.md has its keys."
# How alike the name of another setting must be to be a misspelt SIGNAL_BRIDGE: SIGNALBRIDGE is, BRIDGE is not.
ALIKE = 0.85
MOST_NAME_BYTES = 100
NAME_HINT = (
    f"Give it a string of 1 to {MOST_NAME_BYTES} bytes, without control characters, as 'signals' or 'blog'; names "
    "that begin with 'amq.' are the broker's."
)
FLAG_HINT = "Write True or False."
RULE_HINT = "Write a signal's dotted path, or a dict as {'signal': 'django.db.models.signals.post_save'}."
FIELDS_HINT = "Write a dict of model to fields, as {'blog.Comment': ['id', 'text']}."
HINTS = {
    "signal": "Write a signal's dotted path, or a glob over dotted paths: `manage.py signals` lists the paths.",
    "senders": "Write a list, as ['blog.Comment', 'auth.*'], or leave 'senders' out for all senders.",
    "exclude": "Write a list, as ['blog.Draft'].",
    "fields": FIELDS_HINT,
    "omit_fields": FIELDS_HINT,
    "redact": "Write a dict, as {'email': 'mask'}.",
    "delivery": f"Use one of: {', '.join(DELIVERIES)}.",
    "unroutable": f"Use one of: {', '.join(UNROUTABLES)}.",
    "timeout": TIMEOUT_HINT,
    "strict": FLAG_HINT,
    "traceback": FLAG_HINT,
    "changes": FLAG_HINT,
    "subject": "Name the kwarg that the events are about, as 'order' in `placed.send(sender=Shop, order=order)`.",
}
# The ids for wrong values of these keys of a rule; for the others it is publisher.E005.
IDS = {"delivery": "publisher.E011", "unroutable": "publisher.E012", "timeout": "publisher.E040"}


def check_settings(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Check that SIGNAL_BRIDGE exists, is a dict, and has no wrong keys or values."""
    if not hasattr(settings, "SIGNAL_BRIDGE"):
        meant = _misspelt()
        hint = f"Did you mean {meant} to be SIGNAL_BRIDGE? {DICT_HINT}" if meant else DICT_HINT
        return [Warning("There is no SIGNAL_BRIDGE: nothing is forwarded.", hint=hint, id="publisher.W006")]
    value = settings.SIGNAL_BRIDGE
    if not isinstance(value, dict):
        return [Error("SIGNAL_BRIDGE is not a dict.", hint=DICT_HINT, id="publisher.E001")]
    with one_look():
        return [
            *_check_keys(value),
            *_check_values(value),
            *_check_kinds(value),
            *_check_redact(value),
            *_check_extensions(value),
            *_check_rules(value.get("FORWARD", ())),
            *check_user_model(),
            *check_copies(),
        ]


def _misspelt() -> str | None:
    """The name of a setting that is probably a misspelt SIGNAL_BRIDGE: a dict whose name is nearly the same."""
    alike = get_close_matches("SIGNAL_BRIDGE", [*filter(str.isupper, dir(settings))], cutoff=ALIKE)
    # Only settings with such names are read: Django warns when a deprecated setting is read.
    return next((name for name in alike if isinstance(getattr(settings, name, None), dict)), None)


def check_encoders(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """Check that the `encoders` module of each app can be imported."""
    try:
        load_encoders()
    except Exception as exc:
        hint = "Correct the `encoders` module that the error names. Until then no event can be made."
        return [Error(f"The encoders cannot be imported: {why_not_imported(exc)}", hint=hint, id="publisher.E018")]
    return []


def _check_keys(value: Mapping[str, Any]) -> Iterator[CheckMessage]:
    for key in value:
        if key not in conf.DEFAULTS:
            yield Error(
                f"SIGNAL_BRIDGE has an unknown key {key!r}.",
                hint=near(str(key), conf.DEFAULTS),
                id="publisher.E002",
            )


def _check_values(value: Mapping[str, Any]) -> Iterator[CheckMessage]:
    url = value.get("BROKER_URL", conf.DEFAULTS["BROKER_URL"])
    if flaw := flaw_of(url) if isinstance(url, str) else NO_URL:
        # The URL itself may hold a password, so it is not repeated here.
        hint = f"{URL_HINT[0].upper()}{URL_HINT[1:]}."
        yield Error(f"SIGNAL_BRIDGE['BROKER_URL'] {flaw}.", hint=hint, id="publisher.E003")
    yield from _check_handlers_app()
    for key in ("EXCHANGE", "SERVICE"):
        name = value.get(key, conf.DEFAULTS[key])
        size = len(name.encode(errors="replace")) if isinstance(name, str) else 0
        if not 0 < size <= MOST_NAME_BYTES or name.startswith("amq.") or not name.isprintable():
            of_bytes = f", of {size} bytes" if size > MOST_NAME_BYTES else ""
            yield Error(f"SIGNAL_BRIDGE[{key!r}] cannot be {name!r}{of_bytes}.", hint=NAME_HINT, id="publisher.E004")


def _check_handlers_app() -> Iterator[CheckMessage]:
    """Check that `consumers` is the bridge's app: a project's own package of that name has no command `consume`."""
    if apps.is_installed("consumers") and not hasattr(import_module("consumers"), "receiver"):
        hint = "Rename your package: the bridge's has this name, and a project's own comes first on Python's path."
        yield Error("The app 'consumers' is another package than the bridge's.", hint=hint, id="publisher.E020")


def _check_kinds(value: Mapping[str, Any]) -> Iterator[CheckMessage]:
    for key, (is_right, hint) in KINDS.items():
        given = value.get(key, conf.DEFAULTS[key])
        if not is_right(given):
            yield Error(f"SIGNAL_BRIDGE[{key!r}] cannot be {given!r}.", hint=hint, id="publisher.E015")


def _check_redact(value: Mapping[str, Any]) -> Iterator[CheckMessage]:
    try:
        redact_from(value.get("REDACT", {}))
    except (TypeError, ValueError) as exc:
        hint = "Write a dict, as {'email': 'mask'}. Until then all values are dropped."
        yield Error(f"SIGNAL_BRIDGE['REDACT']: {exc}.", hint=hint, id="publisher.E016")


def _check_extensions(value: Mapping[str, Any]) -> Iterator[CheckMessage]:
    path = value.get("EXTENSIONS")
    if path is None:
        return
    try:
        function = import_string(path)
    except Exception as exc:
        what = f"cannot be imported: {why_not_imported(exc)}"
    else:
        if callable(function) and not iscoroutinefunction(function) and _takes_nothing(function):
            return
        what = "is no plain function that can be called without arguments."
    hint = "Name a function, as 'shop.context.extensions', that returns a dict of attributes, as {'tenant': 'acme'}."
    yield Error(f"SIGNAL_BRIDGE['EXTENSIONS'], {path!r}, {what}", hint=hint, id="publisher.E021")


def _takes_nothing(function: Callable[..., Any]) -> bool:
    try:
        signature(function).bind()
    except TypeError:
        return False
    except ValueError:
        # Some builtins have no signature to look at.
        return True
    return True


def _is_shard_count(value: object) -> bool:
    return type(value) is int and 0 < value <= SLOTS


def _is_hop_count(value: object) -> bool:
    return type(value) is int and value > 0


def _is_days(value: object) -> bool:
    return is_positive(value) and value <= conf.MOST_DAYS  # type: ignore[operator]


def _is_unroutable(value: object) -> bool:
    return value is None or value in UNROUTABLES


def _is_console(value: object) -> bool:
    return value is None or (isinstance(value, str) and (not value or value.startswith(("http://", "https://"))))


KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "SHARDS": (_is_shard_count, f"Give the number of parts that the outbox is divided into, from 1 to {SLOTS}."),
    "FORWARD_RAW": (is_flag, FLAG_HINT),
    "STRICT": (is_flag, FLAG_HINT),
    "INBOX_DAYS": (_is_days, f"Give a number of days, as 30, up to {conf.MOST_DAYS:,}."),
    "MAX_HOPS": (_is_hop_count, "Give the number of events that may cause each other in a row, as 16."),
    "UNROUTABLE": (_is_unroutable, f"Use one of: {', '.join(UNROUTABLES)}, or leave it out."),
    "MANAGEMENT_URL": (_is_console, "Give the console's address, as http://localhost:15672/, or None."),
}


def _check_rules(entries: object) -> Iterator[CheckMessage]:
    if not isinstance(entries, list | tuple):
        message = f"SIGNAL_BRIDGE['FORWARD'] is {entries!r}, not a list."
        yield Error(message, hint="Make it a list of rules.", id="publisher.E005")
        return
    rules: dict[str, Rule] = {}
    for index, entry in enumerate(entries):
        where = f"SIGNAL_BRIDGE['FORWARD'][{index}]"
        try:
            rule = rule_from(entry)
        except (ValueError, TypeError) as exc:
            id = IDS.get(getattr(exc, "key", ""), "publisher.E005")
            yield Error(f"{where}: {exc}.", hint=_hint(entry, exc), id=id)
            continue
        rules[where] = rule
        for check in RULE_CHECKS:
            yield from check(rule, where)
        yield from check_keys_of_ask(entry, rule, where)
    yield from check_order(rules)


def _hint(entry: object, exc: Exception) -> str:
    if isinstance(exc, WrongValue):
        return HINTS[exc.key]
    unknown = [key for key in entry if key not in KEYS] if isinstance(entry, Mapping) else []
    return near(str(unknown[0]), KEYS) if unknown else RULE_HINT
