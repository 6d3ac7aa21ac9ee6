"""Waits while the database has trouble. That is not the event's fault, so it does not count as an attempt."""

import logging
import random
from collections.abc import Callable
from threading import Event as Flag
from typing import Any, TypeVar

from django.db import (
    Error,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    close_old_connections,
    connections,
)

from consumers.handling import clock
from consumers.handling.connections import drop
from consumers.handling.read_only import is_read_only, says_read_only
from consumers.handling.results import name_of
from consumers.models import Attempt, InboxEvent
from publisher.raised import where
from publisher.tables import trouble_with

logger = logging.getLogger(__name__)

TRIES = 5
PAUSE_SECONDS = 0.05
LONGEST_SECONDS = 5.0

Answer = TypeVar("Answer")


class GivingBack(Exception):
    """The process is to end while an event waits for the database: the event goes back to its queue."""


class Patience:
    """Waits for one database. With `needs_inbox`, a missing inbox table counts as trouble, too."""

    def __init__(self, using: str, stop: Flag, *, needs_inbox: bool) -> None:
        self.using = using
        self._needs_inbox = needs_inbox
        self._stop = stop

    def keep_trying(self, action: Callable[..., Answer], *args: Any, tries: int = TRIES) -> Answer:
        """Call `action` until it succeeds. A working database gets `tries` calls; one in trouble, any number.

        Raises the last error of the database, and GivingBack when the process is to end.
        """
        tried = 0
        while True:
            try:
                return action(*args)
            except (OperationalError, InterfaceError, ProgrammingError, InternalError) as exc:
                if isinstance(exc, InternalError) and not says_read_only(exc):
                    raise
                tried += 1
                clock.stop()
                if not self._wait_out(exc, tries - tried):
                    raise

    def _wait_out(self, exc: Error, left: int) -> bool:
        """Pause, and return whether to try again. `left` is how many more tries a working database is given.

        Raises GivingBack when the process is to end.
        """
        if not self.using:
            return False
        drop(connections[self.using])
        # The error may have come from a connection to another database.
        close_old_connections()
        trouble = self._trouble(exc)
        if trouble is None:
            if isinstance(exc, ProgrammingError) or left <= 0:
                return False  # the handler's own fault, such as a wrong table name
            logger.warning("trying again in place, %d times more: %s (%s)", left, name_of(exc), where(exc))
            self._pause(PAUSE_SECONDS * 2 ** (TRIES - left))
            return True
        logger.warning("waiting for the database %s: %s", self.using, trouble)
        pause = PAUSE_SECONDS
        while self._trouble(exc) is not None:
            pause = min(pause * 2, LONGEST_SECONDS)
            self._pause(pause)
        return True

    def _trouble(self, exc: Error) -> str | None:
        """What keeps the database from being used now; None if it can be used."""
        trouble = trouble_with((InboxEvent, Attempt) if self._needs_inbox else (), self.using)
        if trouble is None and says_read_only(exc) and is_read_only(self.using):
            trouble = "it is read-only"
        if trouble is not None:
            drop(connections[self.using])
        return trouble

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds * random.uniform(0.5, 1.0)):
            raise GivingBack
