"""Encodes mappings, sequences, and objects with named parts: dataclasses, attrs, named tuples, pydantic, structs.

An object is sent as a dict of its parts, which any language reads. A handler gets an object of the same class if its
process has imported that class. It is made without running code of the class, since a message must not choose code.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, MutableSequence, Sequence, Set, ValuesView
from dataclasses import MISSING, fields, is_dataclass
from types import SimpleNamespace
from typing import Any

import msgspec

from publisher.encoders.hiding import Hidden, called, encode_redacted
from publisher.secret_names import named_values
from publisher.wire.codec import DROPPED, Encoding, decodes, encode_mapping, encodes
from publisher.wire.registry import encodes_shape, imported


def encode_named(
    encoding: Encoding, value: Mapping[Any, Any], path: str, hide: Callable[[str, Any], Any] = Hidden
) -> Any:
    """A mapping, with its values redacted by their keys.

    `hide(action, value)` makes what is encoded for a masked or hashed value.
    """
    actions = {
        key: action
        for key, item in value.items()
        if (word := called(key)) is not None and (action := encoding.action(word, item)) != "keep"
    }
    for name, value_name in named_values(value):
        # In a form there may be several names.
        for text in value[name] if isinstance(value[name], list) else (value[name],):
            if value_name in actions or (word := called(text)) is None:
                continue
            if (action := encoding.action(word, value[value_name])) != "keep":
                actions[value_name] = action
    if not actions:
        return encode_mapping(encoding, value, path)
    kept = {
        key: hide(actions[key], item) if key in actions else item
        for key, item in value.items()
        if actions.get(key) != "drop"
    }
    encoding.types.update((f"{path}.{called(key)}", DROPPED) for key, action in actions.items() if action == "drop")
    return encode_mapping(encoding, kept, path)


def _pair_action(encoding: Encoding, pair: Sequence[Any]) -> str:
    """What becomes of the second item of a pair, as `("Authorization", "Bearer ...")`; `keep` if it is no pair."""
    if len(pair) != 2:
        return "keep"
    name = called(pair[0])
    return "keep" if name is None else encoding.action(name, pair[1])


@encodes(list)
def encode_list(encoding: Encoding, value: Iterable[Any], path: str) -> list[Any]:
    """A list. Each list of two in it may be a name and its value, since JSON has lists for tuples.

    The list itself is not taken for such a pair: two items may be two names.
    """
    return [
        encode_pair(encoding, item, f"{path}.{n}") if isinstance(item, list) else encoding.encode(item, f"{path}.{n}")
        for n, item in enumerate(value)
    ]


def encode_pair(encoding: Encoding, value: Sequence[Any], path: str) -> Any:
    """A list. If it is a pair, its second item is redacted by the first."""
    action = _pair_action(encoding, value)
    return encoding.encode(value if action == "keep" else [value[0], Hidden(action, value[1])], path)


def encode_parts(encoding: Encoding, value: object, names: Iterable[str], path: str) -> Any:
    """The attributes of these names, redacted by them. Tagged with the object's type."""
    kind = type(value)
    plain = {}
    for name in names:
        part, its_path = getattr(value, name, None), f"{path}.{name}"
        action = encoding.action(name, part)
        if action == "keep":
            plain[name] = encoding.encode(part, its_path)
        else:
            left = encode_redacted(encoding, action, part, its_path)
            if action != "drop":
                plain[name] = left
    return encoding.tag(path, f"object:{kind.__module__}:{kind.__qualname__}", plain)


@encodes_shape(is_dataclass)
def encode_dataclass(encoding: Encoding, value: Any, path: str) -> Any:
    return encode_parts(encoding, value, [field.name for field in fields(value)], path)


@encodes_shape(lambda kind: hasattr(kind, "__attrs_attrs__"))
def encode_attrs(encoding: Encoding, value: Any, path: str) -> Any:
    return encode_parts(encoding, value, [attribute.name for attribute in value.__attrs_attrs__], path)


@encodes_shape(lambda kind: hasattr(kind, "__pydantic_fields__"))
def encode_pydantic(encoding: Encoding, value: Any, path: str) -> Any:
    extra = getattr(value, "__pydantic_extra__", None) or ()
    return encode_parts(encoding, value, [*type(value).__pydantic_fields__, *extra], path)


@encodes(msgspec.Struct)
def encode_struct(encoding: Encoding, value: msgspec.Struct, path: str) -> Any:
    return encode_parts(encoding, value, value.__struct_fields__, path)


@encodes(SimpleNamespace)
def encode_namespace(encoding: Encoding, value: SimpleNamespace, path: str) -> Any:
    return encode_parts(encoding, value, vars(value), path)


@encodes(tuple)
def encode_tuple(encoding: Encoding, value: tuple[Any, ...], path: str) -> Any:
    """A tuple as a list. A named tuple is redacted by its names, a pair by its first item."""
    names = getattr(value, "_fields", None)
    if names is None:
        action = _pair_action(encoding, value)
        items = value if action == "keep" else (value[0], Hidden(action, value[1]))
        return encoding.tag(path, "tuple", encode_list(encoding, items, path))
    kind = type(value)
    plain = []
    of_pair = {1: _pair_action(encoding, value)}
    for n, (name, item) in enumerate(zip(names, value, strict=True)):
        action, its_path = encoding.action(name, item), f"{path}.{n}"
        action = of_pair.get(n, "keep") if action == "keep" else action
        keeps = action == "keep"
        plain.append(encoding.encode(item, its_path) if keeps else encode_redacted(encoding, action, item, its_path))
    return encoding.tag(path, f"namedtuple:{kind.__module__}:{kind.__qualname__}", plain)


@encodes(deque)
def encode_deque(encoding: Encoding, value: "deque[Any]", path: str) -> Any:
    return encoding.tag(path, "deque", encoding.encode(list(value), path))


@encodes("collections.UserString")
def encode_user_string(encoding: Encoding, value: object, path: str) -> str:
    return str(value)


# Not every Sequence: a paginator's page is one, and iterating it would run a query.
@encodes_shape(lambda kind: issubclass(kind, MutableSequence | ValuesView))
def encode_sequence(encoding: Encoding, value: Iterable[Any], path: str) -> Any:
    return encoding.encode(list(value), path)


@encodes_shape(lambda kind: issubclass(kind, Set))
def encode_set(encoding: Encoding, value: Iterable[Any], path: str) -> Any:
    try:
        items: Collection[Any] = set(value)
    except TypeError:
        # The items of a dict may be unhashable.
        items = list(value)
    return encoding.encode(items, path)


encodes(dict)(encode_named)
encodes_shape(lambda kind: issubclass(kind, Mapping))(encode_named)


# The last shape, so that it is tried first: an object that says that it is a secret may be a dataclass as well.
@encodes_shape(lambda kind: hasattr(kind, "get_secret_value"))
def encode_secret(encoding: Encoding, value: Any, path: str) -> Any:
    """A secret, as pydantic's SecretStr: it is dropped."""
    return encoding.tag(path, DROPPED, None)


decodes("deque")(lambda plain, argument: deque(plain))


@decodes("namedtuple")
def decode_namedtuple(plain: list[Any], argument: str) -> tuple[Any, ...]:
    module, _, qualname = argument.partition(":")
    kind = imported(module, qualname)
    if isinstance(kind, type) and issubclass(kind, tuple) and len(getattr(kind, "_fields", ())) == len(plain):
        return tuple.__new__(kind, plain)
    return tuple(plain)


@decodes("object")
def decode_object(plain: dict[str, Any], argument: str) -> Any:
    module, _, qualname = argument.partition(":")
    kind = imported(module, qualname)
    if not isinstance(kind, type):
        return plain
    make = next((make for is_shape, make in MAKERS if is_shape(kind)), None)
    return plain if make is None else make(kind, plain)


def _of_dataclass(kind: Any, plain: dict[str, Any]) -> Any:
    defaults = {field.name: None if field.default is MISSING else field.default for field in fields(kind)}
    return _made(kind, {name: plain.get(name, default) for name, default in defaults.items()})


def _of_attrs(kind: Any, plain: dict[str, Any]) -> Any:
    return _made(kind, {attribute.name: plain.get(attribute.name) for attribute in kind.__attrs_attrs__})


def _of_pydantic(kind: Any, plain: dict[str, Any]) -> Any:
    names = kind.__pydantic_fields__
    extra = {name: value for name, value in plain.items() if name not in names}
    allows_extra = kind.model_config.get("extra") == "allow"
    return _made(
        kind,
        {
            "__dict__": {name: plain.get(name) for name in names},
            "__pydantic_fields_set__": set(plain).intersection(names),
            "__pydantic_extra__": extra if allows_extra else None,
            "__pydantic_private__": None,
        },
    )


def _made(kind: Any, values: Mapping[str, Any]) -> Any:
    made = object.__new__(kind)
    for name, value in values.items():
        # Not `setattr`, which the class may have replaced, as frozen dataclasses do.
        object.__setattr__(made, name, value)
    return made


MAKERS: Sequence[tuple[Callable[[type], bool], Callable[[Any, dict[str, Any]], Any]]] = (
    (lambda kind: hasattr(kind, "__attrs_attrs__"), _of_attrs),
    (lambda kind: hasattr(kind, "__pydantic_fields__") and hasattr(kind, "model_config"), _of_pydantic),
    (is_dataclass, _of_dataclass),
    (lambda kind: kind is SimpleNamespace, lambda kind, plain: SimpleNamespace(**plain)),
)
