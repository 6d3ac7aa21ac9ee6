"""Finds what was probably meant by a name that does not exist."""

from collections.abc import Iterable
from difflib import SequenceMatcher

MOST_HINTS = 3
MOST_LISTED = 24
# A name is suggested if it is at least this much alike, from 0 to 1, and at most this much less alike than the best.
ALIKE = 0.55
WORSE = 0.15


def near(word: str, known: Iterable[object], otherwise: str = "`manage.py signals` lists what there is.") -> str:
    """A hint: the names that were probably meant; else all known names if there are few; else `otherwise`."""
    names = [str(name) for name in known]
    matches = close_to(word, names)
    if matches:
        return f"Did you mean {' or '.join(map(repr, matches))}?"
    short = 0 < len(names) <= MOST_LISTED
    return f"There are: {', '.join(names)}." if short else otherwise


def close_to(word: str, names: list[str]) -> list[str]:
    """The names that are like the word, whatever their case; the most alike first."""
    by_lower = {name.lower(): name for name in reversed(names)}
    likeness = {name: _likeness(word.lower(), name) for name in reversed(by_lower)}
    bar = max(ALIKE, max(likeness.values(), default=0) - WORSE)
    found = sorted((name for name in likeness if likeness[name] >= bar), key=likeness.__getitem__, reverse=True)
    return [by_lower[name] for name in found[:MOST_HINTS]]


def _likeness(word: str, name: str) -> float:
    """From 0 to 1. The last word counts as much as the whole path, since often only the path's beginning is wrong."""
    word, name = word.removesuffix(".*"), name.removesuffix(".*")
    return (_ratio(word, name) + _ratio(word.rpartition(".")[2], name.rpartition(".")[2])) / 2


def _ratio(word: str, name: str) -> float:
    return SequenceMatcher(None, word, name).ratio()
