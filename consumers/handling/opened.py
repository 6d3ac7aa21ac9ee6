"""The connections to databases that a thread has opened for its handlers, and what these leave behind on them."""

import threading
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver


class Here(threading.local):
    """Of each thread, by alias. Kept as they come: to ask Django takes as long as a handler that does little."""

    def __init__(self) -> None:
        self.opened: dict[str, BaseDatabaseWrapper] = {}


_here = Here()


@receiver(connection_created)
def _note(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Django's own: a copy that a handler makes is its maker's to close, and ends with whoever holds it."""
    alias = connection.alias
    if alias in connections.settings and connections[alias] is connection:
        _here.opened[alias] = connection


def have_errors() -> bool:
    """Whether one may be of no use any more."""
    return any(connection.errors_occurred for connection in _here.opened.values())


def tidy() -> None:
    """After a handler: what it left open is rolled back, and what others wait for given back."""
    opened = _here.opened.values()
    if any(map(is_left_open, opened)):
        drop_all()
    for connection in opened:
        if is_borrowed(connection):
            connection.close()


def is_left_open(connection: BaseDatabaseWrapper) -> bool:
    """Whether a handler left a transaction open: what comes next would be a part of it, and never be committed."""
    return connection.in_atomic_block or (connection.connection is not None and not connection.autocommit)


def is_borrowed(connection: BaseDatabaseWrapper) -> bool:
    """Whether it is one of a pool, where others wait for it. https://docs.djangoproject.com/en/5.2/ref/databases/"""
    return bool(connection.settings_dict["OPTIONS"].get("pool"))


def drop_all() -> None:
    for connection in tuple(_here.opened.values()):
        drop(connection)


def drop(connection: BaseDatabaseWrapper) -> None:
    """Closes it, with the transaction that is open on it.

    Within `atomic` Django keeps the state of what it closes, and goes on refusing: the thread gets another one then.
    """
    alias = connection.alias
    try:
        connection.close()
    finally:
        if connection.in_atomic_block and connections[alias] is connection:
            del connections[alias]
        if _here.opened.get(alias) is connection:
            del _here.opened[alias]
