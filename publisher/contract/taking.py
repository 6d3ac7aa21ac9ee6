"""Compares two schemas of a value, and describes one in words."""

from typing import Any

from publisher.contract.schemas import REDACTED, Schema, types_of

# Keys that only apply to text.
OF_TEXT = frozenset(("maxLength", "pattern", "format", "contentEncoding"))


def is_within(new: Schema, old: Schema) -> bool:
    """Whether the old schema allows all values that the new one allows."""
    if new.get(REDACTED) != old.get(REDACTED):
        return False
    has_text = "string" in types_of(new.get("type", "string"))
    return all(
        _takes_no_more(name, new.get(name), value) for name, value in old.items() if has_text or name not in OF_TEXT
    )


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


def told(schema: Schema) -> str:
    """The schema in words.

    >>> told({"type": ["string", "null"], "maxLength": 50}), told({})
    ('string or null, maxLength 50', 'anything')
    """
    kind = " or ".join(types_of(schema["type"])) if "type" in schema else ""
    others = [str(value) if name == REDACTED else f"{name} {value}" for name, value in schema.items() if name != "type"]
    return ", ".join([*([kind] if kind else []), *others]) or "anything"
