"""Which events are kept when no queue is bound for them: those that a handler of this project is there for."""

import logging

from publisher import subscriptions
from publisher.outbox.waiting import WaitingRow
from publisher.raised import why_not_imported
from publisher.wire.routing import matches

logger = logging.getLogger("publisher.relay")

# Keys that are made of values are without end.
MOST_KEYS = 10_000


class Wanted:
    """What is known of one process: the handlers are looked for when the broker first says that no queue is bound."""

    def __init__(self) -> None:
        self._patterns: frozenset[str] | None = None
        self._known: dict[str, bool] = {}

    def may_keep(self, row: WaitingRow) -> bool:
        """Whether it would be kept, as far as is known by now; nothing is imported to find out."""
        if row.keep_unroutable is None:
            return self._known.get(row.routing_key, True)
        return bool(row.keep_unroutable)

    def keeps(self, row: WaitingRow) -> bool:
        """What its rule says, and where that says nothing, whether a handler of this project takes its key."""
        if row.keep_unroutable is None:
            return self._has_handler(row.routing_key)
        return bool(row.keep_unroutable)

    def _has_handler(self, key: str) -> bool:
        if key not in self._known:
            if len(self._known) >= MOST_KEYS:
                self._known.clear()
            self._known[key] = any(matches(pattern, key) for pattern in self._all_patterns())
        return self._known[key]

    def _all_patterns(self) -> frozenset[str]:
        if self._patterns is None:
            self._patterns = _patterns()
        return self._patterns


def _patterns() -> frozenset[str]:
    try:
        return subscriptions.patterns()
    except Exception as exc:
        # Whatever a project's modules raise: what may be wanted is not dropped for it.
        logger.error("all that no queue is bound for is kept: handlers cannot be imported: %s", why_not_imported(exc))
        return frozenset(("#",))
