"""The connections to databases that a thread has opened for its handlers, and what these leave behind on them."""

import threading
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver


class Here(threading.local):
    """Of each thread. Kept as they come: to ask Django takes as long as a handler that does little."""

    def __init__(self) -> None:
        self.opened: list[BaseDatabaseWrapper] = []


_here = Here()


@receiver(connection_created)
def _note(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if connection not in _here.opened:
        _here.opened.append(connection)


def here() -> list[BaseDatabaseWrapper]:
    """Those of this thread, now and later: the same list."""
    return _here.opened


def is_left_open(connection: BaseDatabaseWrapper) -> bool:
    """Whether a handler left a transaction open: what comes next would be a part of it, and never be committed."""
    return connection.in_atomic_block or (connection.connection is not None and not connection.autocommit)


def is_borrowed(connection: BaseDatabaseWrapper) -> bool:
    """Whether it is one of a pool, where others wait for it. https://docs.djangoproject.com/en/5.2/ref/databases/"""
    return bool(connection.settings_dict["OPTIONS"].get("pool"))


def give_back_all() -> None:
    """Those that are of a pool."""
    for connection in _here.opened:
        if is_borrowed(connection):
            connection.close()


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
