"""Forbids queries in a block: for example, the repr of an unknown object might run one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import connections


class Unasked(Exception):
    """A query was about to run where none is allowed."""


@contextmanager
def without_queries() -> Iterator[None]:
    """Inside the block, each query of this thread raises Unasked. It does not reach the database, so it breaks no
    transaction.
    """
    with ExitStack() as stack:
        for connection in connections.all(initialized_only=True):
            stack.enter_context(connection.execute_wrapper(_refuse))
        yield


def _refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    raise Unasked
