"""The relay's patience with its database, which may be away, or not migrated yet."""

import logging
import random
from threading import Event as Flag

from django.db import Error, connections

from publisher.models import OutboxEvent
from publisher.tables import migration_hint
from publisher.wire.lifecycle import LONGEST_PAUSE_SECONDS

logger = logging.getLogger("publisher.relay")

FIRST_PAUSE_SECONDS = 0.25


class Patience:
    """Trouble upon trouble is one wait, until it is `over`: each trouble is told once, and the pauses grow."""

    def __init__(self, using: str, stop: Flag) -> None:
        self.using = using
        self._stop = stop
        self._told: set[str] = set()
        self._pause_seconds = FIRST_PAUSE_SECONDS

    def wait(self, trouble: Error) -> None:
        """A pause before the next attempt, which has a new connection; `stop` ends it."""
        connections[self.using].close()
        self._tell(" ".join(str(trouble).split()))
        self._stop.wait(self._pause_seconds * random.uniform(0.5, 1.0))
        self._pause_seconds = min(self._pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    def over(self) -> None:
        """The database does what it is asked for."""
        if self._told:
            logger.info("the wait for the database %s is over", self.using)
            self._told.clear()
            self._pause_seconds = FIRST_PAUSE_SECONDS

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            hint = migration_hint(OutboxEvent, self.using)
            logger.warning("waiting for the database %s: %s%s", self.using, text, hint)
