"""The connections to databases that a thread has opened for its handlers, and what these leave behind on them."""

import threading
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

from publisher.catalogue import UID


class Here(threading.local):
    """Of each thread. Kept as they come: to ask Django takes as long as a handler that does little."""

    def __init__(self) -> None:
        self.opened: list[BaseDatabaseWrapper] = []


_here = Here()


@receiver(connection_created, dispatch_uid=f"{UID}opened")
def _note(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if connection not in _here.opened:
        _here.opened.append(connection)


def had_errors() -> bool:
    """Whether one of them may not be usable any more."""
    return any(connection.errors_occurred for connection in _here.opened)


def end_transactions() -> None:
    """Those that a handler left open: what comes next would be a part of them, and never be committed."""
    for connection in _here.opened:
        if _is_left_open(connection):
            drop_all()
            return


def drop_all() -> None:
    for connection in tuple(_here.opened):
        drop(connection)


def drop(connection: BaseDatabaseWrapper) -> None:
    """Closes it, with the transaction that is open on it.

    Within `atomic` Django keeps the state of what it closes, and goes on refusing: the thread gets another one then.
    """
    connection.close()
    if connection.in_atomic_block and connections[connection.alias] is connection:
        del connections[connection.alias]
    if connection in _here.opened:
        _here.opened.remove(connection)


def _is_left_open(connection: BaseDatabaseWrapper) -> bool:
    return connection.in_atomic_block or (connection.connection is not None and not connection.autocommit)
