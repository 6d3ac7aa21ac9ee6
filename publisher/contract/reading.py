"""Reads a contract's document into what is compared: by address, exchange, signal, sender and path."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from publisher.contract.conditions import Terms
from publisher.contract.document import EVENT, Document
from publisher.contract.schemas import LEFT_OUT, Schema

# Keys that contain other schemas, or say nothing about the value itself.
INNER = frozenset(("$ref", "allOf", "properties", "items", "additionalProperties", "required", "description", LEFT_OUT))
# What the schema says of each value, by path as in the `types` of an event.
Parts = Mapping[str, Schema]
# Signal and sender.
Whose = tuple[str, str]


class Message(NamedTuple):
    """`parts` are from the schema, `terms` are the `x-` keys beside it, and `kwargs` is the schema of the kwargs."""

    parts: Parts
    terms: Terms
    kwargs: Schema

    def may_have(self, path: str) -> bool:
        """Whether the path is in a kwarg that may be sent although the schema does not name it."""
        root, _, rest = path.partition(".")
        is_open = self.kwargs.get("additionalProperties") is True
        return root == "kwargs" and is_open and rest.partition(".")[0] not in self.kwargs.get(LEFT_OUT, ())

    @property
    def condition(self) -> str:
        """What distinguishes this message from those of other rules with the same routing key."""
        return repr([self.terms.get(name) for name in ("x-when", "x-senders", "x-exclude")])


class Channel(NamedTuple):
    """`messages` are by signal and sender. The sender is empty for a signal that anyone may send."""

    exchange: str
    messages: Mapping[Whose, list[Message]]


def parts_of_all(document: Document) -> Parts:
    """What the schemas of all events have in common."""
    schemas = document["components"]["schemas"]
    return dict(_parts(schemas[EVENT], "", schemas))


def channels_of(document: Document) -> dict[str, dict[str, Channel]]:
    """The channels by address and exchange."""
    schemas = document["components"]["schemas"]
    channels: dict[str, dict[str, Channel]] = {}
    for channel in document["channels"].values():
        exchange = channel["bindings"]["amqp"]["exchange"]["name"]
        messages: dict[Whose, list[Message]] = {}
        for message in channel["messages"].values():
            # The first schema is that of all events.
            own = message["payload"]["allOf"][1]
            kwargs = own["properties"]["data"]["properties"]["kwargs"]
            read = Message(dict(_parts(own, "", schemas)), _extensions(message), kwargs)
            messages.setdefault(_whose(own["properties"]), []).append(read)
        channels.setdefault(channel["address"], {})[exchange] = Channel(exchange, messages)
    return channels


def _whose(properties: Mapping[str, Any]) -> Whose:
    sender = properties["data"]["properties"].get("sender", {})
    return properties["type"]["const"], sender.get("const", "")


def _extensions(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if name.startswith("x-")}


def _parts(schema: Schema, path: str, schemas: Mapping[str, Schema]) -> Iterator[tuple[str, Schema]]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    yield path.removeprefix("data."), {name: value for name, value in schema.items() if name not in INNER}
    for name, inner in schema.get("properties", {}).items():
        yield from _parts(inner, f"{path}.{name}" if path else name, schemas)
    if "items" in schema:
        yield from _parts(schema["items"], f"{path}.*", schemas)
