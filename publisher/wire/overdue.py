"""Notices when the broker neither confirms nor refuses a message, although the connection is alive."""

import time


class Overdue:
    """Call `is_over` now and then. It is true once the oldest message has waited for one to two times `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.forgive(0)

    def forgive(self, newest: int) -> None:
        """Start to measure again, for all messages up to this tag."""
        self._since = time.monotonic()
        self._newest = newest

    def is_over(self, oldest: int | None, newest: int) -> bool:
        """`oldest` is the lowest tag that waits, `newest` the highest that was sent."""
        if time.monotonic() - self._since < self.seconds:
            return False
        known = self._newest
        self.forgive(newest)
        return oldest is not None and oldest <= known
