"""Which retry queue an event waits in, and whether it has waited long enough. Each queue has a fixed TTL."""

from datetime import timedelta

TIERS_SECONDS = (1, 10, 60, 600)
# An event that has less than this left to wait is due: sending it to one more queue is not worth it.
NEGLIGIBLE_SECONDS = 0.5
LONGEST_SECONDS = timedelta(days=366).total_seconds()
# Jitter may double the longest wait.
FARTHEST_SECONDS = 2 * LONGEST_SECONDS


def is_wait(seconds: object) -> bool:
    """Whether this is a number of seconds that can be waited, from 0 to a year."""
    return isinstance(seconds, int | float) and 0 <= seconds <= LONGEST_SECONDS


def tier_for(remaining_seconds: float) -> int:
    """The TTL of the queue to wait in, in seconds: the longest that fits, else the shortest. A wait may take several.

    >>> [tier_for(seconds) for seconds in (0.7, 1, 12, 59, 3600)]
    [1, 1, 10, 10, 600]
    """
    return max((tier for tier in TIERS_SECONDS if tier <= remaining_seconds), default=TIERS_SECONDS[0])


def is_due(due_at: float, now: float) -> bool:
    """Whether an event need not wait any longer. Times are seconds since the epoch.

    A time that is farther away than our longest wait was written by a stranger. Such an event counts as due: otherwise
    it might never be.

    >>> is_due(1.6, now=1.0), is_due(2.0, now=1.9), is_due(2.0**62, now=1.0)
    (False, True, True)
    """
    return not NEGLIGIBLE_SECONDS < due_at - now <= FARTHEST_SECONDS
