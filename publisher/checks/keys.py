"""System checks of a rule's `routing_key`: it is formatted with stand-ins, to find keys that can never be formed."""

import re
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Any, NamedTuple

from django.core.checks import CheckMessage, Error
from django.db.models import Model
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from publisher import conf
from publisher.catalogue.signals import KnownSignal, taken_by
from publisher.encoders.models import columns_under, encode_model
from publisher.hints import near
from publisher.receivers import senders_of
from publisher.rules import Rule
from publisher.wire.registry import encoder_for
from publisher.wire.routing import KEY_BYTES, formatted_key

KEY_NAMES = ("kwargs", "sender", "group", "signal", "subject", "extensions")
HINT = f"Write words and dots, and in braces one of {', '.join(KEY_NAMES)}: 'moderation.{{kwargs[reason]}}'."
PARTS_HINT = "Kwargs are encoded as JSON: write the names of what is in them in brackets, as '{kwargs[instance][pk]}'."
BRACKETS = re.compile(r"\[[^\]]*\]")
JSON_TYPES = (dict, list, str, int, float, bool, type(None))

# The kwargs of signals that only Django and the bridge send. The kwargs of other signals are not known for certain. The
# list is written here, since reading the source would take half a second each time a command starts.
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


# Signals whose sender is the model of their instance.
OF_SENDER = (pre_save, post_save, pre_delete, post_delete)


class Fault(NamedTuple):
    reason: str
    hint: str


class Plain:
    """Stands for a value that is only known to be plain JSON."""

    def __getitem__(self, key: object) -> "Plain":
        return self

    def __getattr__(self, name: str) -> "Plain":
        if not any(hasattr(kind, name) for kind in JSON_TYPES):
            raise AttributeError(name=name)
        return self

    def __format__(self, spec: str) -> str:
        return ""


class AnyKwargs(dict[str, Plain]):
    """Stands for the kwargs of a signal whose kwargs are not known."""

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
        literals = "".join(literal for literal, *_ in Formatter().parse(template)).encode()
        fields = list(_fields(template))
        widths = [int(width) for _, spec in fields for width in re.findall(r"\d+", spec)]
    except (ValueError, TypeError) as exc:
        yield Fault(str(exc), HINT)
        return
    names = [name for name, _ in fields]
    if any("._" in BRACKETS.sub("", name) for name in names):
        yield Fault("it asks for an attribute that begins with '_'", HINT)
    if any(width > KEY_BYTES for width in widths):
        yield Fault(f"it is padded to more than the {KEY_BYTES} bytes of a key", HINT)
    if len(literals) > KEY_BYTES:
        yield Fault(f"it is longer than the {KEY_BYTES} bytes of a key, and would be cut", HINT)
    for root in (name.partition("[")[0].partition(".")[0] for name in names):
        if root not in KEY_NAMES:
            yield Fault(f"it names {root!r}, which is unknown", HINT)
        elif root == "extensions" and conf.extensions() is None:
            yield Fault("there are no extensions", "Set SIGNAL_BRIDGE['EXTENSIONS'] to a function that returns them.")
    if not template:
        yield Fault("it is empty", HINT)


def _fields(template: str) -> Iterator[tuple[str, str]]:
    """Name and format spec of each field, and of those in the format specs of others."""
    for _, name, spec, _ in Formatter().parse(template):
        if name is not None:
            yield name, spec or ""
            yield from _fields(spec or "")


def _never_formed(rule: Rule, template: str) -> Iterator[Fault]:
    """The fault for the first signal, or nothing if the key can be formed for any of the rule's signals."""
    faults = [_fault(rule, template, known) for known in taken_by(rule)]
    if faults and faults[0] is not None and None not in faults:
        yield faults[0]


def _fault(rule: Rule, template: str, known: KnownSignal) -> Fault | None:
    """The fault with the first kwargs; None if the key can be formed with any of the possible kwargs."""
    faults = [_fault_of(template, known, kwargs) for kwargs in _kwargs(rule, known)]
    return None if None in faults else faults[0]


def _fault_of(template: str, known: KnownSignal, kwargs: Mapping[str, Any]) -> Fault | None:
    values = {
        "kwargs": kwargs,
        "sender": "-",
        "group": known.group,
        "signal": known.word,
        "subject": "-",
        "extensions": AnyKwargs(),
    }
    try:
        formatted_key(template, values)
    except KeyError as exc:
        name = str(exc.args[0])
        return Fault(f"{known.name!r} is sent without {name!r}", near(name, _names(kwargs)) if kwargs else PARTS_HINT)
    except AttributeError as exc:
        return Fault(f"no value has an attribute {exc.name!r} once it is encoded", PARTS_HINT)
    except IndexError:
        # An index into text: another sender may be long enough.
        return None
    except (ValueError, TypeError) as exc:
        return Fault(str(exc), HINT)
    return None


def _kwargs(rule: Rule, known: KnownSignal) -> list[Mapping[str, Any]]:
    """Stand-ins for the signal's kwargs; for signals of OF_SENDER, one for each model that the rule takes."""
    names = SENT_WITH.get(known.name)
    if names is None:
        return [AnyKwargs()]
    kwargs: dict[str, Any] = dict.fromkeys((*sorted(names), *(["changes"] if rule.changes else [])), Plain())
    if known.signal not in OF_SENDER:
        return [kwargs]
    models = [model for model in senders_of(known, (rule,)) if model is not None]
    return [{**kwargs, "instance": _instance(rule, model)} for model in models] or [kwargs]


def _instance(rule: Rule, model: type[Model]) -> Mapping[str, Any] | Plain:
    """A stand-in for an encoded instance, with the fields that the rule sends."""
    if encoder_for(model) is not encode_model:
        return Plain()
    fields = dict.fromkeys(columns_under(rule, model).names, Plain())
    return {"model": Plain(), "pk": Plain(), "fields": fields}


def _names(kwargs: Mapping[str, Any]) -> Iterator[str]:
    """All names in the kwargs, at any known depth."""
    for name, value in kwargs.items():
        yield name
        if isinstance(value, Mapping):
            yield from _names(value)
