"""The database connections that a thread has opened for its handlers, and cleaning up what handlers leave on them."""

import threading
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver


class Here(threading.local):
    """The connections of each thread, by alias. Asking Django for them would take as long as a quick handler."""

    def __init__(self) -> None:
        self.opened: dict[str, BaseDatabaseWrapper] = {}


_here = Here()


@receiver(connection_created)
def _note(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Remember a connection of `django.db.connections`. A copy that a handler makes is for the handler to close."""
    alias = connection.alias
    if alias in connections.settings and connections[alias] is connection:
        _here.opened[alias] = connection


def have_errors() -> bool:
    """Whether a connection had an error, so that it may be unusable."""
    return any(connection.errors_occurred for connection in _here.opened.values())


def tidy() -> None:
    """After a handler: roll back a transaction that it left open, and give connections of a pool back."""
    opened = _here.opened.values()
    if any(map(is_left_open, opened)):
        drop_all()
    for connection in opened:
        if is_borrowed(connection):
            connection.close()


def is_left_open(connection: BaseDatabaseWrapper) -> bool:
    """Whether a handler left a transaction open: the next handler's writes would be part of it, and not committed."""
    return connection.in_atomic_block or (connection.connection is not None and not connection.autocommit)


def is_borrowed(connection: BaseDatabaseWrapper) -> bool:
    """Whether it comes from a pool: others may wait for it. https://docs.djangoproject.com/en/5.2/ref/databases/"""
    return bool(connection.settings_dict["OPTIONS"].get("pool"))


def drop_all() -> None:
    for connection in tuple(_here.opened.values()):
        drop(connection)


def drop(connection: BaseDatabaseWrapper) -> None:
    """Close the connection, and so roll back the transaction that is open on it.

    Within an `atomic` block, Django would refuse statements on it for ever. So it is removed from `connections`, too.
    """
    alias = connection.alias
    try:
        connection.close()
    finally:
        if connection.in_atomic_block and connections[alias] is connection:
            del connections[alias]
        if _here.opened.get(alias) is connection:
            del _here.opened[alias]
