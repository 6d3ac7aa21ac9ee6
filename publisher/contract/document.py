"""The contract: what a service sends, as an AsyncAPI document with channels and the schemas of their events.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

from django.db.models.signals import pre_save

from publisher import conf
from publisher.contract.addresses import SENDER
from publisher.contract.schemas import Schema, event_schema, instance_schema, kwargs_schema
from publisher.contract.sent import Place, Sent, all_sent
from publisher.encoders.models import label_of
from publisher.wire.event import CONTENT_TYPE

Document = dict[str, Any]

PARAMETERS: Document = {
    SENDER: {
        "description": "app_label.model_name of a model, package.classname of another class, a text in lower case; "
        "left out, with the dot before it, where the signal has no sender."
    }
}
EVENT = "event"


def contract(version: str = "1.0") -> Document:
    """The document for the current rules and models."""
    channels: Document = {}
    names: dict[Place, str] = {}
    schemas: Document = {EVENT: event_schema(conf.source())}
    for sent in sorted(all_sent(), key=lambda sent: sent.place):
        if sent.place not in names:
            names[sent.place] = next(name for name in _numbered(sent.address.name) if name not in channels)
            channels[names[sent.place]] = _channel(sent)
        _add_message(channels[names[sent.place]]["messages"], sent, schemas)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": conf.service(), "version": version},
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "operations": {name: {"action": "send", "channel": {"$ref": f"#/channels/{name}"}} for name in channels},
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _numbered(name: str) -> Iterator[str]:
    """The name, then `name-2`, `name-3` and so on, for where it is taken."""
    yield name
    yield from (f"{name}-{number}" for number in count(2))


def _channel(sent: Sent) -> Document:
    address = sent.address
    parameters = {name: PARAMETERS.get(name, {}) for name in address.parameters}
    return {
        "address": address.text,
        **({"parameters": parameters} if parameters else {}),
        "messages": {},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": sent.exchange, "type": "topic", "durable": True, "autoDelete": False},
                "bindingVersion": "0.3.0",
            }
        },
    }


def _add_message(messages: Document, sent: Sent, schemas: Document) -> None:
    """Add a message under the name of its signal and sender, since several models may have one routing key."""
    label = f".{label_of(sent.model)}" if sent.model else ""
    message = _message(sent, schemas)
    for name in _numbered(f"{sent.known.name}{label}"):
        named = {"name": name, **message}
        if messages.setdefault(name, named) == named:
            return


def _message(sent: Sent, schemas: Document) -> Document:
    known, rule, model = sent.known, sent.rule, sent.model
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
        "contentType": CONTENT_TYPE,
        **sent.terms(),
        "payload": {"allOf": [_reference(EVENT), {"type": "object", "properties": own}]},
    }


def _referred(schemas: Document, name: str, schema: Schema) -> Schema:
    """Add a schema, and return a reference. The name gets a number if a rule has sent other fields of the model."""
    return _reference(next(its_name for its_name in _numbered(name) if schemas.setdefault(its_name, schema) == schema))


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
