"""Pauses between attempts that fail again and again: each is longer than the one before."""

import random
import time
from threading import Event as Flag

from publisher.wire.lifecycle import LONGEST_PAUSE_SECONDS

FIRST_PAUSE_SECONDS = 0.25
# After a connection that lasted this long, pauses start short again.
LASTING_SECONDS = 10.0


class Pause:
    """Pauses grow until `over` is called. Setting `stop` ends a pause."""

    def __init__(self, stop: Flag) -> None:
        self._stop = stop
        self._seconds = FIRST_PAUSE_SECONDS

    def wait(self) -> None:
        self._stop.wait(self._seconds * random.uniform(0.5, 1.0))
        self._seconds = min(self._seconds * 2, LONGEST_PAUSE_SECONDS)

    def over(self) -> None:
        self._seconds = FIRST_PAUSE_SECONDS

    def after(self, began: float) -> None:
        """Pause if the last connection, made at `began` (`time.monotonic()`), did not last long."""
        if time.monotonic() - began < LASTING_SECONDS:
            self.wait()
        else:
            self.over()
