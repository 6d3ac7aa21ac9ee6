"""Finds the signals in a module: in its attributes, its classes and objects, and in dicts and lists."""

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
    """`isinstance` that does not evaluate a lazy object, which might open a connection."""
    return issubclass(type(value), kinds)


def signals_in(module: ModuleType, *, deep: bool) -> Iterator[tuple[str, Signal]]:
    """Each signal with its path in the module; a signal may have several. Without `deep`, only attributes and classes
    are searched.
    """
    yield from _within(vars(module), _Walk(module.__name__, deep=deep), "", DEPTH)


def signal_at(module: ModuleType, path: str) -> Signal | None:
    """The signal at this path, as `signals_in` has it."""
    found = _found(module, path)
    return None if found is None else found[1]


def word_at(module: ModuleType | None, path: str) -> str:
    """The signal's own name, as one word: an attribute's name, or a dict's key, which may contain dots.

    Where there is no such signal, it is what follows the last dot of the path.
    """
    found = _found(module, path)
    return re.sub(NO_WORD, "_", found[0]) if found else path.rpartition(".")[2]


def _found(holder: Any, path: str) -> tuple[str, Signal] | None:
    """The signal at this path, with its name in the object that holds it."""
    for name, rest in _ways(holder, path):
        part = _part(holder, name)
        if not rest:
            if is_a(part, Signal):
                return name, part
        elif part is not None and (found := _found(part, rest)):
            return found
    return None


def _ways(holder: Any, path: str) -> Iterator[tuple[str, str]]:
    """The ways to split a path into a name and the rest: several for a dict, whose keys may contain dots."""
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
    """Decides what a search looks into, and remembers what it has seen."""

    def __init__(self, module: str, *, deep: bool) -> None:
        self.module = module
        self.package = module.partition(".")[0]
        self.deep = deep
        self.seen: set[int] = set()

    def items(self, value: Any) -> Mapping[Any, Any] | None:
        """What a class, a collection or an object holds, by name; None where the value is not to be searched."""
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
        # Only objects whose classes are of the same package.
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
                # Items of a list are not searched themselves: the list may be data, as a log of calls.
                further = 1 if is_a(value, list, tuple) else depth - 1
                yield from _within(inside, walk, f"{prefix}{name}.", further)
