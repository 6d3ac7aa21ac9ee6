"""The registries of encoders and decoders.

An encoder is `(encoding, value, path) -> JSON`; a decoder is `(plain, argument) -> value`. An encoder is found by the
value's type, along its MRO, or else by the type's shape. A decoder is found by the tag, `tag` or `tag:argument`, that
the event's `types` has for the value's path.
"""

import sys
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from publisher.wire import late
from publisher.wire.errors import NotEncodable

Encoder = Callable[["Encoding", Any, str], Any]
Decoder = Callable[[Any, str], Any]

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
# Tags for values that are not sent, or not as they are. UNKNOWN is for a value that the database computes, PARTIAL for
# an instance's `fields` of which some may be left out without being named.
DROPPED, MASKED, HASHED, UNKNOWN, PARTIAL = "dropped", "masked", "hashed", "unknown", "partial"
INCOMPLETE = frozenset((DROPPED, MASKED, HASHED, UNKNOWN))
MOST_TYPES = 4096
MODEL_KEYS = frozenset(("model", "pk", "fields"))

_encoders: dict[type | str, Encoder] = {}
_shapes: list[tuple[Callable[[type], bool], Encoder]] = []
_found: dict[type, Encoder | None] = {}
_known: dict[type, bool] = {}
_decoders: dict[str, Decoder] = {}


def encodes(*kinds: type | str) -> Callable[[Encoder], Encoder]:
    """Register the encoder of these types and of their subclasses.

    A type may be given by the dotted path where it is defined, as `"moneyed.classes.Money"`: then nothing is imported.
    """

    def register(encoder: Encoder) -> Encoder:
        _encoders.update(dict.fromkeys(kinds, encoder))
        _found.clear()
        _known.clear()
        return encoder

    return register


def encodes_shape(is_shape: Callable[[type], bool]) -> Callable[[Encoder], Encoder]:
    """Register the encoder of the types for which a function is true. Types with a registered encoder are not tried.

    Functions that are registered later are tried first.
    """

    def register(encoder: Encoder) -> Encoder:
        _shapes.insert(0, (is_shape, encoder))
        _found.clear()
        return encoder

    return register


def decodes(tag: str) -> Callable[[Decoder], Decoder]:
    """Register the decoder of a tag."""

    def register(decoder: Decoder) -> Decoder:
        _decoders[tag] = decoder
        return decoder

    return register


def has_encoder(kind: type) -> bool:
    """Whether an encoder is registered for the type or for a base class. Shapes do not count."""
    if late.pending:
        late.load()
    known = _known.get(kind)
    if known is None:
        _make_room(_known)
        known = _known[kind] = _registered(kind) is not None
    return known


def _make_room(by_type: dict[type, Any]) -> None:
    """Keep the cache bounded, since classes may be made in requests, as those of forms."""
    if len(by_type) >= MOST_TYPES:
        by_type.clear()


def imported(module: str, qualname: str) -> Any:
    """The object of this name, if this process has imported it already; else None.

    Nothing is imported here, since a message must not choose what this process imports.
    """
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        # Not by `getattr`: a module may have a `__getattr__` that imports something.
        found = getattr(found, "__dict__", {}).get(part)
    return found


class Encoding:
    """Encodes the values of one event. `types` collects the tags by path."""

    __slots__ = ("types",)

    @property
    def wants_traceback(self) -> bool:
        """Whether an exception is sent with its traceback."""
        return False

    def __init__(self) -> None:
        self.types: dict[str, str] = {}

    def encode(self, value: Any, path: str) -> Any:
        """`value` as plain JSON. Raises NotEncodable where `project` does."""
        kind = type(value)
        if kind is str or kind is bool or value is None or (kind is int and INT64_MIN <= value <= INT64_MAX):
            return value
        encoder = _found.get(kind) or encoder_for(kind)
        return self.project(value, path) if encoder is None else encoder(self, value, path)

    def action(self, name: str, value: object) -> str:
        """What becomes of a value of this name. Subclasses may return other actions than `keep`."""
        return "keep"

    def tag(self, path: str, tag: str, plain: Any) -> Any:
        self.types[path] = tag
        return plain

    def project(self, value: Any, path: str) -> Any:
        """What is sent for a value without an encoder. Raises NotEncodable; subclasses may return something instead."""
        raise NotEncodable(path, type(value))


def encoder_for(kind: type) -> Encoder | None:
    """The encoder registered for the type or a base class, else one for its shape."""
    if late.pending:
        late.load()
    encoder = _registered(kind)
    if encoder is None:
        encoder = next((encoder for is_shape, encoder in _shapes if is_shape(kind)), None)
    _make_room(_found)
    _found[kind] = encoder
    return encoder


def _registered(kind: type) -> Encoder | None:
    # Enum before its other bases: an IntEnum is an int, too.
    bases = (Enum, *kind.__mro__) if issubclass(kind, Enum) else kind.__mro__
    for base in bases:
        encoder = _encoders.get(base) or _encoders.get(f"{base.__module__}.{base.__qualname__}")
        if encoder is not None:
            return encoder
    return None


def decode(plain: Any, types: Mapping[str, str], path: str = "kwargs") -> Any:
    """Decode a value. `types` has the tags by path; a value with an unknown tag stays as it is."""
    if late.pending:
        late.load()
    if isinstance(plain, dict):
        value: Any = {key: decode(item, types, f"{path}.{key}") for key, item in plain.items()}
        if plain.keys() >= MODEL_KEYS and path not in types and "model" in _decoders:
            return _decoders["model"](value, _left_out(types, f"{path}.fields"))
    elif isinstance(plain, list):
        value = [decode(item, types, f"{path}.{index}") for index, item in enumerate(plain)]
    else:
        value = plain
    tag, _, argument = types.get(path, "").partition(":")
    return _decoders[tag](value, argument) if tag in _decoders else value


def _left_out(types: Mapping[str, str], path: str) -> str:
    """The names of an instance's fields that were not sent, or not completely, joined by commas; `*` stands for others.

    A missing field that is not among these did not exist in the sender's model.
    """
    names = {"*"} if types.get(path) == PARTIAL else set()
    below = f"{path}."
    for key, tag in types.items():
        if tag in INCOMPLETE and key.startswith(below):
            name, _, part = key.removeprefix(below).partition(".")
            # A field that is masked or hashed itself was sent, as text that cannot be saved.
            if part or tag in (DROPPED, UNKNOWN):
                names.add(name)
    return ",".join(names)
