"""Notices that the broker says nothing of a message: neither yes nor no, while the connection looks well."""

import time


class Overdue:
    """A look now and then tells whether the oldest message has waited too long: for once to twice `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.forgive(0)

    def forgive(self, newest: int) -> None:
        """Begin to count anew, for all messages up to this tag."""
        self._since = time.monotonic()
        self._newest = newest

    def is_over(self, oldest: int | None, newest: int) -> bool:
        """`oldest` is the lowest tag that waits, `newest` the highest that was sent."""
        if time.monotonic() - self._since < self.seconds:
            return False
        known = self._newest
        self.forgive(newest)
        return oldest is not None and oldest <= known
