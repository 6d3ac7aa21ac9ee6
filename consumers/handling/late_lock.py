"""Holds SQLite's write lock as briefly as possible: it locks the whole database, and handlers may be slow."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction


def has_one_writer(using: str) -> bool:
    return connections[using].vendor == "sqlite"


@contextmanager
def late_lock(using: str) -> Iterator[None]:
    """A transaction that takes the write lock with its first write, also if the project has transaction_mode IMMEDIATE.

    SQLite raises "database is locked" if another transaction has written between the first read and the first write.
    """
    connection: Any = connections[using]
    mode, connection.transaction_mode = connection.transaction_mode, "DEFERRED"
    try:
        with transaction.atomic(using=using):
            yield
    finally:
        connection.transaction_mode = mode
