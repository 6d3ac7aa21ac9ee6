"""Which retry queue an event waits in, and whether it has waited long enough. Each queue has a fixed TTL."""

from publisher.rule_entry import LONGEST_WAIT_SECONDS

TIERS_SECONDS = (1, 10, 60, 600)
# An event that has less than this left to wait is due: sending it to one more queue is not worth it.
NEGLIGIBLE_SECONDS = 0.5
# Jitter may double the longest wait.
FARTHEST_SECONDS = 2 * LONGEST_WAIT_SECONDS


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
