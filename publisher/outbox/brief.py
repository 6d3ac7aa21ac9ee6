"""A look at a database that may be away: what cannot be reached soon is not waited for."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

CONNECT_SECONDS = 3
# Whose drivers know the option.
VENDORS = frozenset(("postgresql", "mysql"))


@contextmanager
def briefly(using: str) -> Iterator[None]:
    """For as long, connecting takes no longer than some seconds. A connection that was not open is closed again."""
    connection = connections[using]
    if connection.connection is not None or connection.vendor not in VENDORS:
        yield
        return
    own = connection.settings_dict
    # A pool has a patience of its own.
    options = {key: value for key, value in own["OPTIONS"].items() if key != "pool"}
    connection.settings_dict = {**own, "OPTIONS": {"connect_timeout": CONNECT_SECONDS, **options}}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = own
