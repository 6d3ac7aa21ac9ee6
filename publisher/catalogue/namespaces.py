"""Signals inside a module: its attributes, those of its classes and objects, and what its dicts and lists hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from django.dispatch import Signal

MOST_ITEMS = 1000
NO_WORD = r"[^\w-]+"
DEPTH = 4


def is_a(value: object, *kinds: type) -> bool:
    """`isinstance`, without asking the object: a lazy one would be made, with whatever connection it stands for."""
    return issubclass(type(value), kinds)


def signals_in(module: ModuleType, *, deep: bool) -> Iterator[tuple[str, Signal]]:
    """Each signal with the path to it; the same one may come by several. Without `deep`, of attributes and classes."""
    yield from _within(vars(module), _Walk(module.__name__, deep=deep), "", DEPTH)


def signal_at(module: ModuleType, path: str) -> Signal | None:
    """What `signals_in` would find under this path."""
    found = _found(module, path)
    return None if found is None else found[1]


def word_at(module: ModuleType | None, path: str) -> str:
    """What the signal under this path is called by what holds it, as one word: a dict's key may have dots of its own.

    Without the module, or the signal, it is what follows the last dot.
    """
    found = _found(module, path)
    return re.sub(NO_WORD, "_", found[0]) if found else path.rpartition(".")[2]


def _found(holder: Any, path: str) -> tuple[str, Signal] | None:
    """With its name in what holds it."""
    for name, rest in _ways(holder, path):
        part = _part(holder, name)
        if not rest:
            if is_a(part, Signal):
                return name, part
        elif part is not None and (found := _found(part, rest)):
            return found
    return None


def _ways(holder: Any, path: str) -> Iterator[tuple[str, str]]:
    """The name of a part, and what follows it; of a dict with dots in its keys there are several."""
    words = path.split(".")
    for count in range(1, len(words) + 1 if is_a(holder, Mapping) else 2):
        yield ".".join(words[:count]), ".".join(words[count:])


def _part(holder: Any, name: str) -> Any:
    if is_a(holder, Mapping):
        return next((value for key, value in holder.items() if str(key) == name), None)
    if is_a(holder, list, tuple):
        return holder[int(name)] if name.isdecimal() and int(name) < len(holder) else None
    return getattr(holder, name, None)


class _Walk:
    """What is looked into, and what was already."""

    def __init__(self, module: str, *, deep: bool) -> None:
        self.module = module
        self.package = module.partition(".")[0]
        self.deep = deep
        self.seen: set[int] = set()

    def items(self, value: Any) -> Mapping[Any, Any] | None:
        """What a class, a collection or an object holds by name; None where it is not looked into."""
        if is_a(value, type):
            return vars(value) if value.__module__ == self.module else None
        if not self.deep:
            return None
        if is_a(value, dict):
            return value if len(value) <= MOST_ITEMS else None
        if is_a(value, list, tuple):
            return dict(enumerate(value)) if len(value) <= MOST_ITEMS else None
        return self._attributes(value)

    def _attributes(self, value: object) -> Mapping[str, Any] | None:
        # Of the package's own classes alone.
        if type(value).__module__.partition(".")[0] != self.package:
            return None
        try:
            attributes = object.__getattribute__(value, "__dict__")
        except AttributeError:
            return None
        return attributes if isinstance(attributes, dict) else None


def _within(held: Mapping[Any, Any], walk: _Walk, prefix: str, depth: int) -> Iterator[tuple[str, Signal]]:
    for key, value in list(held.items()):
        name = str(key)
        if is_a(value, Signal):
            yield f"{prefix}{name}", value
        elif depth > 1 and not name.startswith("__") and id(value) not in walk.seen:
            inside = walk.items(value)
            if inside:
                walk.seen.add(id(value))
                # Below a list's items nothing has a name: it may be data, as a log of calls is.
                further = 1 if is_a(value, list, tuple) else depth - 1
                yield from _within(inside, walk, f"{prefix}{name}.", further)
