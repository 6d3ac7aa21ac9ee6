"""Waiting is done in queues of a fixed TTL: which of them, and whether an event is due."""

from datetime import timedelta

TIERS_SECONDS = (1, 10, 60, 600)
# A hop costs more than so short a rest of the wait is worth.
NEGLIGIBLE_SECONDS = 0.5
LONGEST_SECONDS = timedelta.max.total_seconds()


def is_wait(seconds: object) -> bool:
    """Whether it is a number that can be waited for, and the header that tells its end can hold."""
    return isinstance(seconds, int | float) and 0 <= seconds <= LONGEST_SECONDS


def tier_for(remaining_seconds: float) -> int:
    """The longest queue that does not wait too long; the shortest for less than that. A wait may take several.

    >>> [tier_for(seconds) for seconds in (0.7, 1, 12, 59, 3600)]
    [1, 1, 10, 10, 600]
    """
    return max((tier for tier in TIERS_SECONDS if tier <= remaining_seconds), default=TIERS_SECONDS[0])


def is_due(due_at: float, now: float) -> bool:
    """Times are seconds since the epoch."""
    return due_at - now <= NEGLIGIBLE_SECONDS
