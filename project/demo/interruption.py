"""Ctrl-C, SIGTERM and SIGHUP, as a word that the demo asks for between two steps.

An exception raised by a signal's handler comes up wherever the interpreter is just then, and is lost where that is a
destructor: the demo would go on for ever.
"""

import signal
from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """The demo was asked to end."""


class Interruption:
    """Listens from when it is made, in the main thread. A second signal does not wait for the next step."""

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
