"""The relay's patience with a database that is away or not migrated yet, and with a broker that ends each session."""

import logging
import random
from threading import Event as Flag

from django.db import Error, connections

from publisher.models import OutboxEvent
from publisher.tables import migration_hint
from publisher.wire.lifecycle import LONGEST_PAUSE_SECONDS

logger = logging.getLogger("publisher.relay")

FIRST_PAUSE_SECONDS = 0.25


class Pause:
    """Pauses that grow, until what they are for is `over`; `stop` ends each."""

    def __init__(self, stop: Flag) -> None:
        self._stop = stop
        self._seconds = FIRST_PAUSE_SECONDS

    def wait(self) -> None:
        self._stop.wait(self._seconds * random.uniform(0.5, 1.0))
        self._seconds = min(self._seconds * 2, LONGEST_PAUSE_SECONDS)

    def over(self) -> None:
        self._seconds = FIRST_PAUSE_SECONDS


class Patience:
    """Trouble upon trouble is one wait, until it is `over`: each trouble is told once, and the pauses grow."""

    def __init__(self, using: str, stop: Flag) -> None:
        self.using = using
        self._pause = Pause(stop)
        self._told: set[str] = set()

    def wait(self, trouble: Error) -> None:
        """A pause before the next attempt, which has a new connection; `stop` ends it."""
        connections[self.using].close()
        self._tell(" ".join(str(trouble).split()))
        self._pause.wait()

    def over(self) -> None:
        """The database does what it is asked for."""
        if self._told:
            logger.info("the wait for the database %s is over", self.using)
            self._told.clear()
            self._pause.over()

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            hint = migration_hint(OutboxEvent, self.using)
            logger.warning("waiting for the database %s: %s%s", self.using, text, hint)
