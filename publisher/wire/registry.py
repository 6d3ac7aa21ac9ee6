"""Which function encodes a type, and which decodes a tag: registries that any module adds to.

An encoder is `(encoding, value, path) -> JSON`; a decoder is `(plain, argument) -> value`. Encoders are looked up by
type along the MRO, then by shape; decoders by tag, `tag` or `tag:argument`, as the sidecar has it at the value's path.
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
# In the sidecar: what must not leave, or not as it is; what the database will only know; and of an instance's `fields`,
# that more are left out than it names.
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

    A type may be given by its dotted path, as `"moneyed.Money"` or where it is defined: then nothing is imported.
    """

    def register(encoder: Encoder) -> Encoder:
        _encoders.update(dict.fromkeys(kinds, encoder))
        _found.clear()
        _known.clear()
        return encoder

    return register


def encodes_shape(is_shape: Callable[[type], bool]) -> Callable[[Encoder], Encoder]:
    """Register the encoder of the types that a function recognizes, asked when no encoder is registered for a type.

    What was registered last is asked first.
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
    """Whether one is registered for the type itself, or for one that it extends; shapes do not count."""
    if late.pending:
        late.load()
    known = _known.get(kind)
    if known is None:
        _make_room(_known)
        known = _known[kind] = _registered(kind) is not None
    return known


def _make_room(by_type: dict[type, Any]) -> None:
    """Classes may be made in requests, as those of forms are: they are not kept for ever."""
    if len(by_type) >= MOST_TYPES:
        by_type.clear()


def imported(module: str, qualname: str) -> Any:
    """What this process has imported for itself under this name, else None.

    A message must not choose what is imported.
    """
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        # Not getattr, which a module may answer by importing.
        found = getattr(found, "__dict__", {}).get(part)
    return found


class Encoding:
    """One pass over one event's values; `types` is the sidecar it leaves."""

    __slots__ = ("types",)

    @property
    def wants_traceback(self) -> bool:
        """Whether an exception is sent with where it was raised."""
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
        """What becomes of a value of this name: `keep`, or what a subclass may answer."""
        return "keep"

    def tag(self, path: str, tag: str, plain: Any) -> Any:
        self.types[path] = tag
        return plain

    def project(self, value: Any, path: str) -> Any:
        """What stands for a value that has no encoder; a subclass may answer something."""
        raise NotEncodable(path, type(value))


def encoder_for(kind: type) -> Encoder | None:
    """The one registered for the type or for one that it extends, else one that knows its shape."""
    if late.pending:
        late.load()
    encoder = _registered(kind)
    if encoder is None:
        encoder = next((encoder for is_shape, encoder in _shapes if is_shape(kind)), None)
    _make_room(_found)
    _found[kind] = encoder
    return encoder


def _registered(kind: type) -> Encoder | None:
    # An enum first: an IntEnum is an int too, and would come back as one.
    bases = (Enum, *kind.__mro__) if issubclass(kind, Enum) else kind.__mro__
    for base in bases:
        encoder = _encoders.get(base) or _encoders.get(f"{base.__module__}.{base.__qualname__}")
        if encoder is not None:
            return encoder
    return None


def decode(plain: Any, types: Mapping[str, str], path: str = "kwargs") -> Any:
    """The value that `plain` stood for. An unknown tag leaves the plain value."""
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
    """The names of an instance's fields that did not leave, or not whole, joined by commas; `*` is for more of them.

    With what else is missing, the sender's model did not have the field.
    """
    names = {"*"} if types.get(path) == PARTIAL else set()
    below = f"{path}."
    for key, tag in types.items():
        if tag in INCOMPLETE and key.startswith(below):
            name, _, part = key.removeprefix(below).partition(".")
            # What is masked or hashed itself is there, as text that cannot be saved.
            if part or tag in (DROPPED, UNKNOWN):
                names.add(name)
    return ",".join(names)
