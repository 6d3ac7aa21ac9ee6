"""Pauses that grow, where what follows them fails again and again."""

import random
import time
from threading import Event as Flag

from publisher.wire.lifecycle import LONGEST_PAUSE_SECONDS

FIRST_PAUSE_SECONDS = 0.25
# A connection that was there for so long was of use.
LASTING_SECONDS = 10.0


class Pause:
    """Until what it is for is `over`; `stop` ends each."""

    def __init__(self, stop: Flag) -> None:
        self._stop = stop
        self._seconds = FIRST_PAUSE_SECONDS

    def wait(self) -> None:
        self._stop.wait(self._seconds * random.uniform(0.5, 1.0))
        self._seconds = min(self._seconds * 2, LONGEST_PAUSE_SECONDS)

    def over(self) -> None:
        self._seconds = FIRST_PAUSE_SECONDS

    def after(self, began: float) -> None:
        """Before the next connection, where the last one, since `began` by the monotonic clock, ended soon."""
        if time.monotonic() - began < LASTING_SECONDS:
            self.wait()
        else:
            self.over()
