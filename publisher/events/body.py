"""The bytes of an event, and its routing key."""

import logging
from typing import Any, NamedTuple

from msgspec import to_builtins
from msgspec.structs import replace

from publisher import counters
from publisher.encoders.values import dotted
from publisher.events.source import Source
from publisher.wire.errors import RoutingKeyNotFormed
from publisher.wire.event import Event, encode_event
from publisher.wire.routing import formatted_key

logger = logging.getLogger(__name__)


class Encoded(NamedTuple):
    """An event, its routing key and its bytes."""

    event: Event
    routing_key: str
    body: bytes


def with_body(source: Source, event: Event) -> Encoded:
    """The event with its bytes and its routing key. What JSON cannot hold is escaped.

    Where the rule is strict, this raises RoutingKeyNotFormed, or the ValueError or TypeError of the JSON encoder.
    """
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


def _formatted_key(source: Source, template: str, event: Event) -> str:
    known = source.known
    values = {
        "kwargs": to_builtins(event.data["kwargs"]),
        "sender": source.label,
        "group": known.group,
        "signal": known.word,
        "subject": event.subject,
        "extensions": event.extensions,
    }
    try:
        there = {name: value for name, value in values.items() if value is not None}
        return formatted_key(template, there) or source.routing_key
    except (LookupError, ValueError, AttributeError, TypeError) as exc:
        if source.rule.strict:
            raise RoutingKeyNotFormed(known.name, template, values["kwargs"], exc) from exc
        if counters.is_news(number := counters.count(counters.KEY_NOT_FORMED, known.name)):
            logger.error("routing key not formed, %d so far, signal=%s error=%r: the default key is used", number,
                         known.name, exc)  # fmt: skip
        return source.routing_key


def _escaped(event: Event) -> Event:
    logger.warning("event has what JSON cannot hold type=%s id=%s: such values are escaped", event.type, event.id)
    data = _plain(to_builtins(event.data, enc_hook=lambda value: dotted(type(value))))
    about = {"subject": _plain(event.subject), "partitionkey": _plain(event.partitionkey)}
    return replace(event, **about, extensions=_plain(event.extensions), data=data)


def _plain(value: Any) -> Any:
    """Escape lone surrogates in all text, and replace a value that JSON cannot hold by the name of its type."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, int | float) else dotted(type(value))
