"""From one contract to the next: what its consumers have to expect now that they had not to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from publisher.contract.document import EVENT, Document
from publisher.contract.schemas import Schema, types_of

Effect = Literal["breaks", "adds", "narrows"]
# By signal and path.
Parts = Mapping[tuple[str, str], Schema]
# They lead to other schemas, or say nothing of the value itself.
INNER = frozenset(("$ref", "allOf", "properties", "items", "additionalProperties", "required", "description"))
ALL = "(all)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`breaks`: a consumer may get what it did not have to expect, or not get what it did. `adds`: something new.
    `narrows`: less is possible than before. `path` is as in the `types` of an event.
    """

    effect: Effect
    channel: str
    signal: str
    path: str
    change: str


def differences(before: Document, now: Document) -> list[Difference]:
    """From one document to the other, by channel. Raises LookupError, TypeError or AttributeError for what is none."""
    old, new = _channels(before), _channels(now)
    found = []
    for name in sorted({*old, *new}):
        if name not in new:
            found.append(Difference(effect="breaks", channel=name, signal="", path="", change="is not sent any more"))
        elif name not in old:
            found.append(Difference(effect="adds", channel=name, signal="", path="", change="is sent"))
        else:
            found += _of_channel(name, old[name], new[name])
    return found


def next_version(version: str, found: list[Difference]) -> str:
    """
    >>> next_version("1.4", [])
    '1.5'
    """
    major, _, minor = version.partition(".")
    of_now, next_minor = int(major), int(minor) + 1
    return f"{of_now + 1}.0" if any(each.effect == "breaks" for each in found) else f"{of_now}.{next_minor}"


def _of_channel(channel: str, old: Parts, new: Parts) -> Iterator[Difference]:
    for key in sorted({*old, *new}):
        signal, path = key
        if key not in new:
            effect, what = "breaks", "is gone"
        elif key not in old:
            effect, what = "adds", f"is new: {_told(new[key])}"
        elif old[key] != new[key]:
            effect = "narrows" if _is_within(new[key], old[key]) else "breaks"
            what = f"was {_told(old[key])}; is {_told(new[key])}"
        else:
            continue
        yield Difference(effect=effect, channel=channel, signal=signal, path=path, change=what)  # type: ignore[arg-type]


def _channels(document: Document) -> dict[str, Parts]:
    """What is said of each: by signal and path, without what is within."""
    schemas = document["components"]["schemas"]
    channels: dict[str, Parts] = {ALL: {("", path): schema for path, schema in _parts(schemas[EVENT], "", schemas)}}
    for channel in document["channels"].values():
        parts: dict[tuple[str, str], Schema] = {
            ("", "exchange"): {"const": channel["bindings"]["amqp"]["exchange"]["name"]}
        }
        for signal, message in channel["messages"].items():
            # All events have the first part in common.
            for path, schema in _parts(message["payload"]["allOf"][1], "", schemas):
                parts[signal, path] = schema
        channels[channel["address"]] = parts
    return channels


def _parts(schema: Schema, path: str, schemas: Mapping[str, Schema]) -> Iterator[tuple[str, Schema]]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    yield path.removeprefix("data."), {name: value for name, value in schema.items() if name not in INNER}
    for name, inner in schema.get("properties", {}).items():
        yield from _parts(inner, f"{path}.{name}" if path else name, schemas)
    if "items" in schema:
        yield from _parts(schema["items"], f"{path}.*", schemas)


def _is_within(new: Schema, old: Schema) -> bool:
    """Whether all that the new schema takes, the old one took."""
    return all(_takes_no_more(name, new.get(name), value) for name, value in old.items())


def _takes_no_more(name: str, new: Any, old: Any) -> bool:
    if new is None:
        return False
    if name == "type":
        types = types_of(old)
        return all(each in types or (each == "integer" and "number" in types) for each in types_of(new))
    if name == "enum":
        return set(new) <= set(old)
    if name == "maxLength":
        return bool(new <= old)
    return bool(new == old)


def _told(schema: Schema) -> str:
    """
    >>> _told({"type": ["string", "null"], "maxLength": 50}), _told({})
    ('string or null, maxLength 50', 'anything')
    """
    kind = " or ".join(types_of(schema["type"])) if "type" in schema else ""
    others = [f"{name} {value}" for name, value in schema.items() if name != "type"]
    return ", ".join([*([kind] if kind else []), *others]) or "anything"
