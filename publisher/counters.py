"""What this process counted since it began: what was not forwarded as it was, and what was asked."""

from collections import Counter
from threading import Lock

PROJECTED = "projected"
ENCODER_FAILED = "encoder failed"
KEY_NOT_FORMED = "key not formed"
NOT_WRITTEN = "not written"
NOT_OFFLOADED = "not offloaded"
# By its routing key: of what is delivered directly, and in a relay, of what it dropped.
UNROUTABLE = "unroutable"
# What became of a question is said beside it: "asked: late".
ASKED = "asked: "

# Keys that are made of values are without end: beyond so many, all are counted together.
MOST = 10_000
OTHERS = "others"

_counts: Counter[tuple[str, str]] = Counter()
_lock = Lock()


def count(what: str, about: str) -> int:
    """One more; how many there are now. `about` is a type's dotted path, a signal's, or a key."""
    with _lock:
        is_room = len(_counts) < MOST or (what, about) in _counts
        counted = (what, about if is_room else OTHERS)
        _counts[counted] += 1
        return _counts[counted]


def counts() -> dict[tuple[str, str], int]:
    """By what was counted, and about what: for a project's own metrics."""
    with _lock:
        return dict(_counts)


def reset() -> None:
    with _lock:
        _counts.clear()


def is_news(number: int) -> bool:
    """Whether to log it: the first time, and at 10, 100, 1000 and so on.

    >>> [number for number in range(1, 101) if is_news(number)]
    [1, 10, 100]
    """
    return str(number).rstrip("0") == "1"
