"""A handler's transaction: what it wrote is committed, or it is known that it was not."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from consumers.exceptions import HandlerRolledBack, OnCommitFailed
from consumers.handling.opened import drop
from consumers.handling.results import name_of, text_of

Error = TypeVar("Error", HandlerRolledBack, OnCommitFailed)
# libpq's PQTRANS_INERROR, which Django does not look at: PostgreSQL answers COMMIT with a rollback, and no error.
IN_ERROR = 3


@contextmanager
def effect(using: str, begin: Callable[[str], AbstractContextManager[None]] = transaction.atomic) -> Iterator[None]:
    """A transaction, begun by `begin`, that commits at its end. Raises OnCommitFailed for what comes after that."""
    connection: Any = connections[using]
    _end_left_open(connection)
    # Django keeps the last one, of whatever transaction.
    connection.rollback_exc = None
    committed: list[bool] = []
    # Within a project's test, whose transaction never commits, there is nothing to note: its hooks are its own.
    is_outermost = not connection.in_atomic_block
    try:
        with begin(using):
            if is_outermost:
                connection.on_commit(lambda: committed.append(True))
            yield
    except BaseException as exc:
        if committed:
            raise _because_of(exc, OnCommitFailed) from exc
        raise
    finally:
        is_left_open = is_outermost and connection.in_atomic_block
        if is_left_open:
            drop(connection)
    if is_left_open:
        raise _because_of(None, HandlerRolledBack)


def check_committable(using: str) -> None:
    """Raises HandlerRolledBack where the transaction would roll back at its end, and say nothing."""
    connection: Any = connections[using]
    if connection.needs_rollback or connection.closed_in_transaction or _is_in_error(connection):
        raise rolled_back(using) from connection.rollback_exc


def rolled_back(using: str) -> HandlerRolledBack:
    """The error that says so, and which other one was to blame, as far as Django knows."""
    connection: Any = connections[using]
    return _because_of(connection.rollback_exc, HandlerRolledBack)


def may_have_ended(using: str) -> bool:
    """Whether MySQL may have rolled back the transaction, as for a deadlock whose error the handler caught: it begins
    another one with the next statement, and Django does not know.
    """
    connection = connections[using]
    return connection.vendor == "mysql" and connection.errors_occurred


def _because_of(exc: BaseException | None, kind: type[Error]) -> Error:
    """Said to have come from where that one did."""
    what = " ".join((kind.__doc__ or "").split())
    return kind(f"{what} It is {name_of(exc)}: {text_of(exc)}").with_traceback(exc.__traceback__) if exc else kind(what)


def _end_left_open(connection: BaseDatabaseWrapper) -> None:
    """After `set_autocommit(False)`, as a handler or the project's settings may have it, `atomic` does not commit."""
    if not connection.in_atomic_block and not connection.get_autocommit():
        connection.rollback()
        connection.set_autocommit(True)


def _is_in_error(connection: BaseDatabaseWrapper) -> bool:
    """A raw statement that failed, and was caught. Costs no query."""
    return bool(connection.vendor == "postgresql" and connection.connection.info.transaction_status == IN_ERROR)
