"""Waiting is done in queues of a fixed TTL: which of them, and whether an event is due."""

TIERS_SECONDS = (1, 10, 60, 600)
# A hop costs more than so short a rest of the wait is worth.
NEGLIGIBLE_SECONDS = 0.5


def tier_for(remaining_seconds: float) -> int:
    """The longest queue that does not wait too long; the shortest for less than that. A wait may take several.

    >>> [tier_for(seconds) for seconds in (0.7, 1, 12, 59, 3600)]
    [1, 1, 10, 10, 600]
    """
    return max((tier for tier in TIERS_SECONDS if tier <= remaining_seconds), default=TIERS_SECONDS[0])


def is_due(due_at: float, now: float) -> bool:
    """Times are seconds since the epoch."""
    return due_at - now <= NEGLIGIBLE_SECONDS
