"""Counts, since the process started, events that could not be forwarded as they were, and outcomes of questions."""

from collections import Counter
from threading import RLock

PROJECTED = "projected"
ENCODER_FAILED = "encoder failed"
KEY_NOT_FORMED = "key not formed"
EXTENSION_LEFT_OUT = "extension left out"
NOT_WRITTEN = "not written"
NOT_OFFLOADED = "not offloaded"
# Counted by routing key: events that are delivered directly; in a relay, events that it dropped.
UNROUTABLE = "unroutable"
# Events of the delivery "direct" that were not published.
DROPPED = "dropped"
# The outcome of the question is appended: "asked: late".
ASKED = "asked: "

# Routing keys may be made of values, so their number is unlimited. Beyond this many counts, new ones share OTHERS.
MOST = 10_000
OTHERS = "others"

_counts: Counter[tuple[str, str]] = Counter()
# Reentrant: while it is held, the garbage collector may call a `__del__` that counts something, too.
_lock = RLock()


def count(what: str, about: str, more: int = 1) -> int:
    """Add to a count, and return the new one. `about` is the dotted path of a type or a signal, or a routing key."""
    with _lock:
        is_room = len(_counts) < MOST or (what, about) in _counts
        counted = (what, about if is_room else OTHERS)
        _counts[counted] += more
        return _counts[counted]


def counts() -> dict[tuple[str, str], int]:
    """All counts, by (what, about): for a project's own metrics."""
    with _lock:
        return dict(_counts)


def reset() -> None:
    with _lock:
        _counts.clear()


def is_news(number: int) -> bool:
    """Whether to log at this count: at 1, 10, 100, 1000 and so on.

    >>> [number for number in range(1, 101) if is_news(number)]
    [1, 10, 100]
    """
    return str(number).rstrip("0") == "1"
