"""A handler's transaction. If it does not commit, an error is raised, even where Django would say nothing."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from consumers.exceptions import HandlerRolledBack, OnCommitFailed
from consumers.handling.connections import drop
from consumers.handling.results import name_of, text_of

Error = TypeVar("Error", HandlerRolledBack, OnCommitFailed)
# libpq's PQTRANS_INERROR. PostgreSQL answers COMMIT by a rollback without error then. Django does not check it.
IN_ERROR = 3


@contextmanager
def effect(using: str, begin: Callable[[str], AbstractContextManager[None]] = transaction.atomic) -> Iterator[None]:
    """Run the block in a transaction, which `begin` opens. Raises OnCommitFailed if it was committed, but a callback of
    `on_commit` raised; HandlerRolledBack if the block left a transaction of its own open.
    """
    connection: Any = connections[using]
    _end_left_open(connection)
    # Django never clears it: it may be of an earlier transaction.
    connection.rollback_exc = None
    committed: list[bool] = []
    # In a TestCase this is False: the outermost transaction is the test's, and never commits.
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
    """Raises HandlerRolledBack if the transaction would be rolled back at its end without an error."""
    connection: Any = connections[using]
    if connection.needs_rollback or connection.closed_in_transaction or _is_in_error(connection):
        raise rolled_back(using) from connection.rollback_exc


def rolled_back(using: str) -> HandlerRolledBack:
    """The error to raise. It shows the database error that caused the rollback, if Django remembers one."""
    connection: Any = connections[using]
    return _because_of(connection.rollback_exc, HandlerRolledBack)


def may_have_ended(using: str) -> bool:
    """Whether MySQL may have rolled back the transaction without Django's notice.

    That is so after a deadlock whose error the handler caught: the next statement begins another transaction.
    """
    connection = connections[using]
    return connection.vendor == "mysql" and connection.errors_occurred


def _because_of(exc: BaseException | None, kind: type[Error]) -> Error:
    """An error of this kind, which shows the text and the place of `exc`, if there is one."""
    what = " ".join((kind.__doc__ or "").split())
    return kind(f"{what} It is {name_of(exc)}: {text_of(exc)}").with_traceback(exc.__traceback__) if exc else kind(what)


def _end_left_open(connection: BaseDatabaseWrapper) -> None:
    """Undo a `set_autocommit(False)` of an earlier handler, or of the settings. Without autocommit, the end of `atomic`
    would not commit.
    """
    if not connection.in_atomic_block and not connection.get_autocommit():
        connection.rollback()
        connection.set_autocommit(True)


def _is_in_error(connection: BaseDatabaseWrapper) -> bool:
    """Whether a raw statement failed, and the handler caught the error. Costs no query."""
    return bool(connection.vendor == "postgresql" and connection.connection.info.transaction_status == IN_ERROR)
