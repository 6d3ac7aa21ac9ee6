"""How many `atomic()` blocks are open in this thread."""

from collections.abc import Mapping
from contextlib import suppress

from django.core.exceptions import ImproperlyConfigured
from django.db import connections


def open_blocks() -> Mapping[str, int]:
    """The number of open blocks by database alias. It has the databases that this thread has used.

    Empty in a script without Django settings.
    """
    with suppress(ImproperlyConfigured):
        return {
            each.alias: each.in_atomic_block + len(each.savepoint_ids)
            for each in connections.all(initialized_only=True)
        }
    return {}
