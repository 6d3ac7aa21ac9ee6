"""Short timeouts for connecting to a database that may be away."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

CONNECT_SECONDS = 3
# Databases whose drivers have the option `connect_timeout`.
VENDORS = frozenset(("postgresql", "mysql"))


@contextmanager
def briefly(using: str) -> Iterator[None]:
    """Inside the block, connecting takes at most 3 seconds, or the `connect_timeout` of OPTIONS.

    The connection is closed at the end. One that is open already, or of another vendor, stays as it is.
    """
    connection = connections[using]
    if connection.connection is not None or connection.vendor not in VENDORS:
        yield
        return
    own = connection.settings_dict
    # Without a pool, which waits for connections by a timeout of its own.
    options = {key: value for key, value in own["OPTIONS"].items() if key != "pool"}
    connection.settings_dict = {**own, "OPTIONS": {"connect_timeout": CONNECT_SECONDS, **options}}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = own
