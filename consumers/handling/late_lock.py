"""SQLite has one writer at a time: whoever is slow should not be it for longer than it takes to write."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction


def has_one_writer(using: str) -> bool:
    return connections[using].vendor == "sqlite"


@contextmanager
def late_lock(using: str) -> Iterator[None]:
    """A transaction that takes the lock with its first write, whatever mode the project begins its own in.

    Where another transaction wrote between its first read and its first write, SQLite ends it: "database is locked".
    """
    connection: Any = connections[using]
    mode, connection.transaction_mode = connection.transaction_mode, "DEFERRED"
    try:
        with transaction.atomic(using=using):
            yield
    finally:
        connection.transaction_mode = mode
