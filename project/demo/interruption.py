"""Notes Ctrl-C, SIGTERM and SIGHUP, so that the demo can check for them between two steps.

An exception raised by a signal handler may come up anywhere, also in a destructor, where Python ignores it: then the
demo would go on for ever.
"""

import signal
from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """The demo was asked to end."""


class Interruption:
    """Installs the signal handlers, in the main thread. A second signal ends the demo at once, by KeyboardInterrupt."""

    def __init__(self) -> None:
        self._is_asked_for = False
        for number in ENDINGS:
            signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._is_asked_for:
            raise KeyboardInterrupt
        self._is_asked_for = True

    def check(self) -> None:
        """Raises Interrupted once the demo was asked to end."""
        if self._is_asked_for:
            raise Interrupted
