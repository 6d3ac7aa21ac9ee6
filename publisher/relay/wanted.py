"""Which events are kept while no queue is bound for them: by default, those that a handler of this project wants."""

import logging

from publisher import subscriptions
from publisher.outbox.waiting import WaitingRow
from publisher.raised import why_not_imported
from publisher.wire.routing import matches

logger = logging.getLogger("publisher.relay")

# A rule may form keys from values, so their number is unlimited.
MOST_KEYS = 10_000


class Wanted:
    """Looks for handlers, in this process, when the broker first says that no queue is bound for an event."""

    def __init__(self) -> None:
        self._patterns: frozenset[str] | None = None
        self._known: dict[str, bool] = {}

    def may_keep(self, row: WaitingRow) -> bool:
        """Whether the row might be kept, as far as is known without importing handlers."""
        if row.keep_unroutable is None:
            return self._known.get(row.routing_key, True)
        return bool(row.keep_unroutable)

    def keeps(self, row: WaitingRow) -> bool:
        """Whether to keep the row: as its rule says, or else if a handler of this project takes its key."""
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
        # A project's modules may raise anything. This process then takes all events for wanted until it is restarted.
        logger.error("all that no queue is bound for is kept: handlers cannot be imported: %s", why_not_imported(exc))
        return frozenset(("#",))
