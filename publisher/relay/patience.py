"""Waits for a database that is away or not migrated yet."""

import logging
from threading import Event as Flag

from django.db import Error, connections

from publisher.models import OUTBOX
from publisher.tables import migration_hint
from publisher.wire.pause import Pause

logger = logging.getLogger("publisher.relay")


class Patience:
    """Until `over` is called, pauses grow, and each error is logged once."""

    def __init__(self, using: str, stop: Flag) -> None:
        self.using = using
        self._pause = Pause(stop)
        self._told: set[str] = set()

    def wait(self, trouble: Error) -> None:
        """Pause before the next attempt, which will use a new connection. `stop` ends the pause."""
        connections[self.using].close()
        self._tell(" ".join(str(trouble).split()))
        self._pause.wait()

    def over(self) -> None:
        """The database works again."""
        if self._told:
            logger.info("the wait for the database %s is over", self.using)
            self._told.clear()
            self._pause.over()

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            hint = migration_hint(OUTBOX, self.using)
            logger.warning("waiting for the database %s: %s%s", self.using, text, hint)
