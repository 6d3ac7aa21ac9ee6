"""What was probably meant by a name that there is not."""

from collections.abc import Iterable
from difflib import get_close_matches

MOST_HINTS = 3
MOST_LISTED = 16


def near(word: str, known: Iterable[object], otherwise: str = "`manage.py signals` lists what there is.") -> str:
    """A hint: what was probably meant, else all there is when that is short."""
    names = [str(name) for name in known]
    matches = close_to(word, names)
    if matches:
        return f"Did you mean {' or '.join(map(repr, matches))}?"
    short = 0 < len(names) <= MOST_LISTED
    return f"There are: {', '.join(names)}." if short else otherwise


def close_to(word: str, names: list[str]) -> list[str]:
    """Whatever their case. Names that end as the word does come first: a dotted path is often right but for its
    beginning.
    """
    by_lower = {name.lower(): name for name in reversed(names)}
    lower = word.lower()
    last = lower.rpartition(".")[2]
    alike = [name for name in by_lower if last and name.rpartition(".")[2] == last]
    matches = get_close_matches(lower, by_lower, n=MOST_HINTS, cutoff=0.5)
    found = dict.fromkeys([*get_close_matches(lower, alike, n=MOST_HINTS, cutoff=0.0), *matches])
    return [by_lower[name] for name in found][:MOST_HINTS]
