"""System checks of a rule's `routing_key`: it is formed once of stand-ins, to find what can never be formed."""

from collections.abc import Iterator, Mapping
from string import Formatter
from typing import NamedTuple

from django.core.checks import CheckMessage, Error

from publisher.catalogue import KnownSignal, taken_by
from publisher.hints import near
from publisher.rules import Rule
from publisher.wire.routing import formatted_key

KEY_NAMES = ("kwargs", "sender", "group", "signal", "subject")
HINT = f"Write words and dots, with {{...}} for one of {', '.join(KEY_NAMES)}: 'moderation.{{kwargs[reason]}}'."
PARTS_HINT = "Kwargs are encoded, so what is in them is asked for by name in brackets: '{kwargs[instance][pk]}'."
JSON_TYPES = (dict, list, str, int, float, bool, type(None))

# What no others than Django and the bridge send: of any other signal it is not known for certain. Not read from the
# source, which takes half a second of each command's start.
BULK = frozenset(("pks", "count", "complete", "using"))
SENT_WITH: Mapping[str, frozenset[str]] = {
    "django.db.models.signals.pre_init": frozenset(("args", "kwargs")),
    "django.db.models.signals.post_init": frozenset(("instance",)),
    "django.db.models.signals.pre_save": frozenset(("instance", "raw", "using", "update_fields")),
    "django.db.models.signals.post_save": frozenset(("instance", "created", "raw", "using", "update_fields")),
    "django.db.models.signals.pre_delete": frozenset(("instance", "using", "origin")),
    "django.db.models.signals.post_delete": frozenset(("instance", "using", "origin")),
    "django.db.models.signals.m2m_changed": frozenset(
        ("action", "instance", "reverse", "model", "pk_set", "using", "raw")
    ),
    "publisher.signals.bulk_created": BULK | {"conflicts"},
    "publisher.signals.bulk_updated": BULK | {"fields"},
    "publisher.signals.queryset_updated": BULK | {"values"},
    "publisher.signals.queryset_deleted": BULK,
}


class Fault(NamedTuple):
    reason: str
    hint: str


class Plain:
    """Stands for a value of which only this is known: that it is plain JSON."""

    def __getitem__(self, key: object) -> "Plain":
        return self

    def __getattr__(self, name: str) -> "Plain":
        if not any(hasattr(kind, name) for kind in JSON_TYPES):
            raise AttributeError(name=name)
        return self

    def __format__(self, spec: str) -> str:
        return ""


class AnyKwargs(dict[str, Plain]):
    """Stands for the kwargs of a signal of which is not known what it is sent with."""

    def __missing__(self, key: object) -> Plain:
        if not isinstance(key, str):
            raise KeyError(key)
        return Plain()


def check_routing_key(rule: Rule, where: str) -> Iterator[CheckMessage]:
    if rule.routing_key is None:
        return
    faults = list(_misnamed(rule.routing_key)) or list(_never_formed(rule, rule.routing_key))
    for reason, hint in faults:
        yield Error(f"{where}: bad routing key {rule.routing_key!r}: {reason}.", hint=hint, id="publisher.E009")


def _misnamed(template: str) -> Iterator[Fault]:
    try:
        names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except (ValueError, TypeError) as exc:
        yield Fault(str(exc), HINT)
        return
    for root in (name.partition("[")[0].partition(".")[0] for name in names):
        if root not in KEY_NAMES:
            yield Fault(f"it names {root!r}", HINT)
    if not template:
        yield Fault("it is empty", HINT)


def _never_formed(rule: Rule, template: str) -> Iterator[Fault]:
    """For the first signal, unless the key can be formed for another one."""
    faults = [_fault(rule, template, known) for known in taken_by(rule)]
    if faults and faults[0] is not None and None not in faults:
        yield faults[0]


def _fault(rule: Rule, template: str, known: KnownSignal) -> Fault | None:
    kwargs = _kwargs(rule, known)
    values = {"kwargs": kwargs, "sender": "-", "group": known.group, "signal": known.word, "subject": "-"}
    try:
        formatted_key(template, values)
    except KeyError as exc:
        name = str(exc.args[0])
        return Fault(f"{known.name!r} is sent without {name!r}", near(name, kwargs) if kwargs else PARTS_HINT)
    except AttributeError as exc:
        return Fault(f"nothing that is sent has an attribute {exc.name!r}", PARTS_HINT)
    except IndexError:
        # A longer sender has that letter.
        return None
    except (ValueError, TypeError) as exc:
        return Fault(str(exc), HINT)
    return None


def _kwargs(rule: Rule, known: KnownSignal) -> dict[str, Plain]:
    names = SENT_WITH.get(known.name)
    if names is None:
        return AnyKwargs()
    return dict.fromkeys((*sorted(names), *(["changes"] if rule.changes else [])), Plain())
