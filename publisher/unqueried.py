"""Nothing is asked of a database while it is looked at what something is: a repr may well run a query."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import connections


class Unasked(Exception):
    """A query was to be run, which nobody asked for."""


@contextmanager
def without_queries() -> Iterator[None]:
    """In this thread: what would run a query gets Unasked instead, and the transaction goes on."""
    with ExitStack() as stack:
        for connection in connections.all(initialized_only=True):
            stack.enter_context(connection.execute_wrapper(_refuse))
        yield


def _refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    raise Unasked
