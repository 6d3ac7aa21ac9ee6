"""How the relay learns of new events: PostgreSQL notifies it; other databases it queries now and then."""

import os
from contextlib import suppress
from typing import Any, Protocol

from django.db import connections

from publisher.outbox.postgres import speaks_psycopg
from publisher.outbox.statement import CHANNEL
from publisher.wire.loop import Loop


class Wakeup(Protocol):
    """Ends the loop's current wait when there may be new events. If not `is_instant`, the relay queries instead."""

    is_instant: bool

    def missed(self) -> bool:
        """Whether, since the last call, a notification came that did not end a wait."""
        ...

    def close(self) -> None: ...


class Looking:
    """No notifications: the relay queries, less often the longer nothing came."""

    is_instant = False

    def missed(self) -> bool:
        return False

    def close(self) -> None:
        pass


class Listening:
    """PostgreSQL's LISTEN, on the relay's own connection, whose socket the loop watches.

    https://www.postgresql.org/docs/current/sql-notify.html
    """

    is_instant = True

    def __init__(self, using: str, loop: Loop) -> None:
        with connections[using].cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        self._connection: Any = connections[using].connection
        self._connection.add_notify_handler(self._note)
        self._loop = loop
        self._missed = False
        # A duplicate, since libpq closes its socket when the connection breaks, and another file may get its number.
        self._socket = os.dup(self._connection.pgconn.socket)
        loop.watch(self._socket, self._drain)

    def missed(self) -> bool:
        missed, self._missed = self._missed, False
        return missed

    def _note(self, notify: object) -> None:
        # This notification came with the answer to a query, which may not have seen the event. The socket will not
        # become readable for it.
        self._missed = True

    def _drain(self) -> None:
        # Waking the loop was all that is needed. If the connection is broken, the next query raises.
        with suppress(Exception):
            self._connection.pgconn.consume_input()
            while self._connection.pgconn.notifies():
                pass

    def close(self) -> None:
        self._connection.remove_notify_handler(self._note)
        self._loop.unwatch(self._socket)
        os.close(self._socket)


def wakeup(using: str, loop: Loop) -> Wakeup:
    """The best that this database and its driver offer."""
    return Listening(using, loop) if speaks_psycopg(connections[using]) else Looking()
