"""What was probably meant by a name that there is not."""

from collections.abc import Iterable
from difflib import get_close_matches

MOST_HINTS = 3
MOST_LISTED = 16


def near(word: str, known: Iterable[object]) -> str:
    """A hint: what was probably meant, else all there is when that is short."""
    names = [str(name) for name in known]
    matches = close_to(word, names)
    if matches:
        return f"Did you mean {' or '.join(map(repr, matches))}?"
    short = 0 < len(names) <= MOST_LISTED
    return f"There are: {', '.join(names)}." if short else "`manage.py signals` lists what there is."


def close_to(word: str, names: list[str]) -> list[str]:
    """Names that end as the word does come first: a dotted path is often right but for its beginning."""
    last = word.rpartition(".")[2]
    alike = [name for name in names if last and name.rpartition(".")[2] == last]
    matches = get_close_matches(word, names, n=MOST_HINTS, cutoff=0.5)
    return list(dict.fromkeys([*get_close_matches(word, alike, n=MOST_HINTS, cutoff=0.0), *matches]))[:MOST_HINTS]
