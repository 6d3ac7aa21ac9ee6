"""Waiting is done in queues of a fixed TTL: which of them, and whether an event is due."""

from datetime import timedelta

TIERS_SECONDS = (1, 10, 60, 600)
# A hop costs more than so short a rest of the wait is worth.
NEGLIGIBLE_SECONDS = 0.5
LONGEST_SECONDS = timedelta(days=366).total_seconds()
# The jitter may double it.
FARTHEST_SECONDS = 2 * LONGEST_SECONDS


def is_wait(seconds: object) -> bool:
    """Whether it is a number that can be waited for: a year at most."""
    return isinstance(seconds, int | float) and 0 <= seconds <= LONGEST_SECONDS


def tier_for(remaining_seconds: float) -> int:
    """The longest queue that does not wait too long; the shortest for less than that. A wait may take several.

    >>> [tier_for(seconds) for seconds in (0.7, 1, 12, 59, 3600)]
    [1, 1, 10, 10, 600]
    """
    return max((tier for tier in TIERS_SECONDS if tier <= remaining_seconds), default=TIERS_SECONDS[0])


def is_due(due_at: float, now: float) -> bool:
    """Times are seconds since the epoch. What is farther off than any wait, a stranger wrote: it would never be due.

    >>> is_due(1.6, now=1.0), is_due(2.0, now=1.9), is_due(2.0**62, now=1.0)
    (False, True, True)
    """
    return not NEGLIGIBLE_SECONDS < due_at - now <= FARTHEST_SECONDS
