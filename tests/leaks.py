"""Where a planted word was found that must not be there: noted when it is seen, asked for after each test."""

import logging
from collections import Counter

from tests.planting import UNLOGGED, WORD

AROUND = 60

counts: Counter[str] = Counter()
_found: list[str] = []


def look(what: str, where: str, text: str, *, is_log: bool = False) -> None:
    """At text that somebody may read: WHAT it is a kind of, `outputs` for one, and WHERE it was."""
    counts[what] += 1
    for word in (WORD, UNLOGGED) if is_log else (WORD,):
        at = text.find(word)
        if at >= 0:
            _found.append(f"{where}: ...{text[max(at - AROUND, 0) : at + AROUND]}...")


def taken() -> list[str]:
    """What was found since this was last asked."""
    found = _found.copy()
    del _found[: len(found)]
    return found


class LogListener(logging.Handler):
    """Looks at what is logged, as it would be shown, with its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        look("log records", f"logged by {record.name}", self.format(record), is_log=True)
