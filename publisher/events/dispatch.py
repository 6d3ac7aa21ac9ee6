"""Makes the event of one dispatch of a signal."""

import logging
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from django.db.models import Model
from django.db.models.signals import m2m_changed, post_save
from msgspec import to_builtins
from msgspec.structs import replace

from publisher import conf, counters
from publisher.catalogue.signals import KnownSignal
from publisher.encoders.models import related_keys
from publisher.encoders.objects import encode_redacted, forget, hide_named
from publisher.encoders.values import dotted
from publisher.events.about import about_of
from publisher.events.serializers import CyclicEncoding, SignalEncoding
from publisher.generated import outdated_by_updates
from publisher.redaction import action_of
from publisher.rules import Redact, Rule
from publisher.scrubbing import scrubbed_all
from publisher.secret_names import named_values
from publisher.wire import spans
from publisher.wire.errors import EncoderFailed, NotEncodable
from publisher.wire.event import Event, encode_event, new_event
from publisher.wire.registry import UNKNOWN
from publisher.wire.routing import class_label, formatted_key, routing_key, text_label
from publisher.wire.topology import addressed, ask_exchange

logger = logging.getLogger(__name__)

# Types whose values are the same in JSON, whatever they are.
PLAIN = frozenset((str, bool, type(None)))


class Encoded(NamedTuple):
    """An event, its routing key and its bytes."""

    event: Event
    routing_key: str
    body: bytes


def sender_label(sender: object) -> str | None:
    """The last words of a routing key: `app_label.model_name`, `package.classname`, a text itself, or None."""
    if sender is None:
        return None
    if isinstance(sender, str):
        return text_label(str.__str__(sender))
    # Not type(), which does not see through lazy objects.
    return _label(sender if isinstance(sender, type) else sender.__class__)


@lru_cache(maxsize=4096)
def _label(kind: type) -> str:
    if issubclass(kind, Model) and hasattr(kind, "_meta"):
        return kind._meta.label_lower
    return class_label(kind)


class Source:
    """What all events of one signal have in common that come from one sender, or one class of senders, under one rule.

    `outdated` are the fields whose values on the instance are no longer true after an update.
    """

    __slots__ = ("creating", "known", "label", "name", "outdated", "routing_key", "rule", "source")

    def __init__(self, known: KnownSignal, sender: object, rule: Rule, service: str, key: str | None = None) -> None:
        self.known = known
        self.rule = rule
        self.name = known.name
        self.label = sender_label(sender)
        self.source = f"/{service}"
        self.routing_key = key or routing_key(known.group, known.word, self.label)
        is_saved = known.signal is post_save and isinstance(sender, type) and issubclass(sender, Model)
        self.outdated = outdated_by_updates(sender) if is_saved else ()
        self.creating = spans.creating(_exchange(rule, self.routing_key), self.name) if spans.are_made() else None


def _exchange(rule: Rule, key: str) -> str:
    """The exchange that the events will be published to."""
    exchange = conf.exchange()
    return ask_exchange(exchange) if rule.delivery == "ask" else addressed(exchange, key)[0]


def encoded_event(
    known: KnownSignal, sender: object, kwargs: Mapping[str, Any], rule: Rule, service: str, key: str | None = None
) -> Encoded:
    """The event of one dispatch. Raises EncoderFailed and, where the rule is strict, NotEncodable."""
    return encoded_from(Source(known, sender, rule, service, key), sender, kwargs)


def encoded_from(source: Source, sender: object, kwargs: Mapping[str, Any]) -> Encoded:
    """The same, with a source that was made before."""
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
        if not hide_named(encoding, plain, kwargs[name], value_name, f"kwargs.{value_name}") and value_name in plain:
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


def with_body(source: Source, event: Event) -> Encoded:
    """The event with its bytes and its routing key. What JSON cannot hold is escaped."""
    try:
        body = encode_event(event)
    except (ValueError, TypeError):
        if source.rule.strict:
            raise
        event = _escaped(event)
        body = encode_event(event)
    template = source.rule.routing_key
    key = source.routing_key if template is None else _formatted_key(source, template, event)
    return Encoded(event, key, body)


class Paths(NamedTuple):
    """Names of kwargs with their paths: `kept` leave as they are, `hidden` do not. `named_values` are pairs of kwargs:
    the first may hold the name of what the second is the value of.
    """

    kept: tuple[tuple[str, str], ...]
    hidden: tuple[tuple[str, str], ...]
    named_values: tuple[tuple[str, str], ...]


@lru_cache(maxsize=1024)
def _paths(names: tuple[str, ...], redact: Redact) -> Paths:
    actions = {name: action_of(name, redact) for name in names}
    return Paths(
        kept=tuple((name, f"kwargs.{name}") for name, action in actions.items() if action == "keep"),
        hidden=tuple((name, f"kwargs.{name}") for name, action in actions.items() if action != "keep"),
        named_values=named_values(names),
    )


def all_leave(names: Iterable[str], rule: Rule) -> bool:
    """Whether kwargs of these names are sent as they are, whatever their values."""
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


def _formatted_key(source: Source, template: str, event: Event) -> str:
    known = source.known
    values = {
        "kwargs": to_builtins(event.data["kwargs"]),
        "sender": source.label,
        "group": known.group,
        "signal": known.word,
        "subject": event.subject,
    }
    try:
        there = {name: value for name, value in values.items() if value is not None}
        return formatted_key(template, there) or source.routing_key
    except (LookupError, ValueError, AttributeError, TypeError) as exc:
        if source.rule.strict:
            raise
        if counters.is_news(number := counters.count(counters.KEY_NOT_FORMED, known.name)):
            logger.error("routing key not formed, %d so far, signal=%s error=%r: the default one is used", number,
                         known.name, exc)  # fmt: skip
        return source.routing_key


def _escaped(event: Event) -> Event:
    logger.warning("event has what JSON cannot hold type=%s id=%s: it goes escaped", event.type, event.id)
    data = _plain(to_builtins(event.data, enc_hook=lambda value: dotted(type(value))))
    return replace(event, subject=_plain(event.subject), partitionkey=_plain(event.partitionkey), data=data)


def _plain(value: Any) -> Any:
    """Escape lone surrogates in all text, and replace what is no JSON by the name of its type."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, int | float) else dotted(type(value))
