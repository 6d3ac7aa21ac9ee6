"""Makes the event of one dispatch of a signal."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from django.db.models import Model
from django.db.models.signals import m2m_changed
from msgspec import to_builtins

from publisher.catalogue.signals import KnownSignal
from publisher.encoders.hiding import encode_redacted, forget, hide_named
from publisher.encoders.models import related_keys
from publisher.events.about import about_of
from publisher.events.body import Encoded, with_body
from publisher.events.serializers import CyclicEncoding, SignalEncoding
from publisher.events.source import Source
from publisher.redaction import action_of_text
from publisher.rules import Redact, Rule
from publisher.scrubbing import scrubbed_all
from publisher.secret_names import named_values
from publisher.wire.errors import EncoderFailed, NotEncodable
from publisher.wire.event import new_event
from publisher.wire.registry import UNKNOWN

# Of a setting's value, text is looked into, as it may be a URL with a password. An instance is not: it may be saved.
LOOKED_INTO = (str, list, tuple, dict)
# Types whose values are the same in JSON, whatever they are.
PLAIN = frozenset((str, bool, type(None)))


def encoded_event(
    known: KnownSignal, sender: object, kwargs: Mapping[str, Any], rule: Rule, service: str, key: str | None = None
) -> Encoded:
    """The event of one dispatch. `key` replaces the default routing key.

    Raises EncoderFailed; where the rule is strict also NotEncodable, and what `with_body` and `Source.moment` raise.
    """
    return encoded_from(Source(known, sender, rule, service, key), sender, kwargs)


def encoded_from(source: Source, sender: object, kwargs: Mapping[str, Any]) -> Encoded:
    """The same as `encoded_event`, with a Source that was made before."""
    if source.creating is None:
        return _encoded_from(source, sender, kwargs)
    return source.creating(lambda: _encoded_from(source, sender, kwargs))


def _encoded_from(source: Source, sender: object, kwargs: Mapping[str, Any]) -> Encoded:
    redact = source.rule.redact
    if source.known.signal is m2m_changed and "pk_set" in kwargs:
        kwargs = {**kwargs, "pk_set": related_keys(kwargs["pk_set"], kwargs.get("model"), redact)}
    encoding = SignalEncoding(source.name, source.rule)
    paths, hidden, named_values = _paths(tuple(kwargs), redact)
    plain = {}
    for name, path in paths:
        value = kwargs[name]
        plain[name] = value if type(value) in PLAIN else _encoded(encoding, path, value)
    for name, path in hidden:
        _redact(encoding, plain, name, kwargs[name], path)
    for name, value_name in named_values:
        path = f"kwargs.{value_name}"
        is_hidden = hide_named(encoding, plain, kwargs[name], value_name, path)
        if not is_hidden and isinstance(kwargs[value_name], LOOKED_INTO):
            plain[value_name] = scrubbed_all(to_builtins(plain[value_name]))
    if source.outdated and kwargs.get("created") is False:
        _leave_out(encoding, plain, source.outdated)
    data: dict[str, Any] = {"sender": source.label}
    if isinstance(sender, Model | str) and not isinstance(sender, type):
        # The label of a text is in lower case, and that of an instance (`sender=self`) does not say which one it is.
        data["sender_instance"] = _encoded(encoding, "sender_instance", sender)
    data["kwargs"] = plain
    data["types"] = encoding.types
    about = about_of(sender, kwargs, source.rule)
    event = new_event(
        source=source.source,
        type=source.name,
        subject=about and about.subject,
        partitionkey=about.partitionkey if about else source.label or source.name,
        data=data,
        moment=source.moment(),
    )
    return with_body(source, event)


def _leave_out(encoding: SignalEncoding, plain: Mapping[str, Any], outdated: Iterable[str]) -> None:
    """Take these fields off the encoded instance, and mark them as unknown."""
    instance = plain.get("instance")
    fields = instance["fields"] if isinstance(instance, dict) else {}
    for name in outdated:
        if name in fields:
            path = f"kwargs.instance.fields.{name}"
            forget(encoding, path)
            encoding.types[path] = UNKNOWN
            del fields[name]


class Paths(NamedTuple):
    """Names of kwargs with their paths. Those in `hidden` may be redacted, depending on the value.

    `named_values` has pairs of kwargs: the first may hold the name of a thing, the second its value.
    """

    kept: tuple[tuple[str, str], ...]
    hidden: tuple[tuple[str, str], ...]
    named_values: tuple[tuple[str, str], ...]


@lru_cache(maxsize=1024)
def _paths(names: tuple[str, ...], redact: Redact) -> Paths:
    actions = {name: action_of_text(name, redact) for name in names}
    return Paths(
        kept=tuple((name, f"kwargs.{name}") for name, action in actions.items() if action == "keep"),
        hidden=tuple((name, f"kwargs.{name}") for name, action in actions.items() if action != "keep"),
        named_values=named_values(names),
    )


def all_leave(names: Iterable[str], rule: Rule) -> bool:
    """Whether no kwarg of these names is redacted as a whole, whatever the values."""
    paths = _paths(tuple(names), rule.redact)
    return not paths.hidden and not paths.named_values


def _redact(encoding: SignalEncoding, plain: dict[str, Any], name: str, value: object, path: str) -> None:
    action = encoding.action(name, value)
    if action == "keep":
        plain[name] = _encoded(encoding, path, value)
        return
    left = encode_redacted(encoding, action, value, path)
    if action != "drop":
        plain[name] = left


def _encoded(encoding: SignalEncoding, path: str, value: Any) -> Any:
    try:
        try:
            return encoding.encode(value, path)
        except RecursionError:
            return _encoded_cyclic(encoding, path, value)
    except NotEncodable:
        raise
    except Exception as exc:
        raise EncoderFailed(encoding.signal, path, type(value), exc) from exc


def _encoded_cyclic(encoding: SignalEncoding, path: str, value: Any) -> Any:
    forget(encoding, path)
    cyclic = CyclicEncoding(encoding.signal, encoding.rule, encoding.types)
    try:
        return cyclic.encode(value, path)
    except RecursionError:
        # So it is not a cycle, but nested too deeply.
        forget(encoding, path)
        return encoding.project(value, path)
