"""Keeps SQLite's write lock short: there is one for the whole database, and a slow handler would hold it up."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction


def has_one_writer(using: str) -> bool:
    return connections[using].vendor == "sqlite"


@contextmanager
def late_lock(using: str) -> Iterator[None]:
    """A transaction that takes the write lock with its first write, also if the project has transaction_mode IMMEDIATE.

    If another transaction wrote between its first read and its first write, SQLite raises "database is locked".
    """
    connection: Any = connections[using]
    mode, connection.transaction_mode = connection.transaction_mode, "DEFERRED"
    try:
        with transaction.atomic(using=using):
            yield
    finally:
        connection.transaction_mode = mode
