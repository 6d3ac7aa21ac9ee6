"""A contract's document as it is compared: by exchange and routing key, by signal and sender, and by path."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from publisher.contract.document import EVENT, Document
from publisher.contract.schemas import Schema

# They lead to other schemas, or say nothing of the value itself.
INNER = frozenset(("$ref", "allOf", "properties", "items", "additionalProperties", "required", "description"))
# What a schema says of a value, without what is within, by path as in the `types` of an event.
Parts = Mapping[str, Schema]


class Channel(NamedTuple):
    """`messages` are by signal and sender; of a signal that anyone may send, the sender is empty."""

    exchange: str
    messages: Mapping[tuple[str, str], list[Parts]]


def parts_of_all(document: Document) -> Parts:
    """What all events have in common."""
    schemas = document["components"]["schemas"]
    return dict(_parts(schemas[EVENT], "", schemas))


def channels_of(document: Document) -> dict[str, dict[str, Channel]]:
    """By address and by exchange."""
    schemas = document["components"]["schemas"]
    channels: dict[str, dict[str, Channel]] = {}
    for channel in document["channels"].values():
        exchange = channel["bindings"]["amqp"]["exchange"]["name"]
        messages: dict[tuple[str, str], list[Parts]] = {}
        for message in channel["messages"].values():
            # The first part is what all events have in common.
            own = message["payload"]["allOf"][1]
            messages.setdefault(_whose(own["properties"]), []).append(dict(_parts(own, "", schemas)))
        channels.setdefault(channel["address"], {})[exchange] = Channel(exchange, messages)
    return channels


def _whose(properties: Mapping[str, Any]) -> tuple[str, str]:
    sender = properties["data"]["properties"].get("sender", {})
    return properties["type"]["const"], sender.get("const", "")


def _parts(schema: Schema, path: str, schemas: Mapping[str, Schema]) -> Iterator[tuple[str, Schema]]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    yield path.removeprefix("data."), {name: value for name, value in schema.items() if name not in INNER}
    for name, inner in schema.get("properties", {}).items():
        yield from _parts(inner, f"{path}.{name}" if path else name, schemas)
    if "items" in schema:
        yield from _parts(schema["items"], f"{path}.*", schemas)
