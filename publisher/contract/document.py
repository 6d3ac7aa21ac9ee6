"""What a service sends, as an AsyncAPI document: a channel for each routing key, and the schema of its events.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

import re
from collections.abc import Iterator
from typing import Any

from django.db.models import Model
from django.db.models.signals import pre_save

from publisher import conf
from publisher.catalogue.signals import KnownSignal
from publisher.contract.schemas import Schema, event_schema, instance_schema, kwargs_schema
from publisher.encoders.models import label_of
from publisher.events.dispatch import sender_label
from publisher.listing import is_sent_by
from publisher.receivers import rules_by_signal, senders_of
from publisher.rules import Rule, first_match
from publisher.wire.event import CONTENT_TYPE
from publisher.wire.routing import routing_key
from publisher.wire.topology import ask_exchange

Document = dict[str, Any]

# Of a routing key: what is told by each event.
VARIABLE = re.compile(r"\{([^{}]*)\}")
PARAMETERS: Document = {
    "sender": {
        "description": "app_label.model_name of a model, package.classname of another class, a text in lower case; "
        "left out, with the dot before it, where the signal has no sender."
    }
}
EVENT = "event"


def contract(version: str = "1.0") -> Document:
    """The document of the rules and models of now. Raises nothing that the system checks do not tell of."""
    channels: Document = {}
    schemas: Document = {EVENT: event_schema(conf.source())}
    for known, rule, model in sorted(_sent(), key=lambda sent: _address(*sent)):
        address = _address(known, rule, model)
        name = re.sub(r"[^\w.-]", "_", VARIABLE.sub(r"\1", address))
        channel = channels.setdefault(name, _channel(address, rule))
        channel["messages"][known.name] = _message(known, rule, model, schemas)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": conf.service(), "version": version},
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "operations": {name: {"action": "send", "channel": {"$ref": f"#/channels/{name}"}} for name in channels},
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _sent() -> Iterator[tuple[KnownSignal, Rule, type[Model] | None]]:
    """Each signal with a rule that forwards it, and the model whose it is there."""
    for known, rules in rules_by_signal(conf.rules()):
        for model in senders_of(known, rules):
            if model is None:
                yield from ((known, rule, None) for rule in rules)
            elif is_sent_by(model, known) and (rule := first_match(rules, label_of(model))):
                yield known, rule, model


def _address(known: KnownSignal, rule: Rule, model: type[Model] | None) -> str:
    """The routing key; what is not known before an event is sent is in braces."""
    if rule.routing_key is None:
        return routing_key(known.group, known.word, sender_label(model) if model else "{sender}")
    here = {"sender": sender_label(model) or "{sender}", "group": known.group, "signal": known.word}
    return VARIABLE.sub(lambda found: here.get(found[1]) or f"{{{_parameter(found[1])}}}", rule.routing_key)


def _parameter(expression: str) -> str:
    """
    >>> _parameter("kwargs[reason]")
    'kwargs_reason'
    """
    return re.sub(r"\W+", "_", expression).strip("_")


def _channel(address: str, rule: Rule) -> Document:
    exchange = conf.exchange()
    name = ask_exchange(exchange) if rule.delivery == "ask" else exchange
    parameters = {name: PARAMETERS.get(name, {}) for name in VARIABLE.findall(address)}
    return {
        "address": address,
        **({"parameters": parameters} if parameters else {}),
        "messages": {},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": name, "type": "topic", "durable": True, "autoDelete": False},
                "bindingVersion": "0.3.0",
            }
        },
    }


def _message(known: KnownSignal, rule: Rule, model: type[Model] | None, schemas: Document) -> Document:
    data: Schema = {}
    instance: Schema = {}
    if model is not None:
        is_saved = known.signal is not pre_save
        name = label_of(model) if is_saved else f"{label_of(model)}.unsaved"
        instance = _referred(schemas, name, instance_schema(rule, model, is_saved=is_saved))
        data["sender"] = {"const": label_of(model)}
    data["kwargs"] = kwargs_schema(known, rule, model, instance)
    own = {"type": {"const": known.name}, "data": {"type": "object", "properties": data}}
    return {
        "name": known.name,
        "contentType": CONTENT_TYPE,
        "payload": {"allOf": [_reference(EVENT), {"type": "object", "properties": own}]},
    }


def _referred(schemas: Document, name: str, schema: Schema) -> Schema:
    """A reference to it among the others: under its model's name, or another where a second rule has other fields."""
    number, its_name = 1, name
    while schemas.setdefault(its_name, schema) != schema:
        number += 1
        its_name = f"{name}-{number}"
    return _reference(its_name)


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
