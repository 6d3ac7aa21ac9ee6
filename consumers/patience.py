"""Trouble with the database is waited out in place: it is not the event's fault, and uses up none of its attempts."""

import logging
import random
from threading import Event as Flag

from django.db import Error, connections

logger = logging.getLogger(__name__)

TRIES = 5
PAUSE_SECONDS = 0.05
LONGEST_SECONDS = 5.0


class GivingBack(Exception):
    """The process ends while the database is away: the event goes back to its queue."""


class Patience:
    """One handling's patience with its database."""

    def __init__(self, using: str, stop: Flag) -> None:
        self.using = using
        self._stop = stop

    def waits(self, exc: BaseException, tried: int) -> bool:
        """Whether to try once more, after a pause: a few times for a lock or a deadlock, for ever while it is away.

        Raises GivingBack when the process is to end.
        """
        if not self.using:
            return False
        connections[self.using].close()
        if self._answers():
            self._pause(PAUSE_SECONDS * 2**tried)
            return tried < TRIES
        logger.warning("waiting for the database %s: %s", self.using, type(exc).__name__)
        pause = PAUSE_SECONDS
        while not self._answers():
            pause = min(pause * 2, LONGEST_SECONDS)
            self._pause(pause)
        return True

    def _answers(self) -> bool:
        try:
            with connections[self.using].cursor() as cursor:
                cursor.execute("SELECT 1")
        except Error:
            connections[self.using].close()
            return False
        return True

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds * random.uniform(0.5, 1.0)):
            raise GivingBack
