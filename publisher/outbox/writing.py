"""Writes events to the outbox in the transaction of their signals: all in one INSERT, just before COMMIT.

A pending event waits among the connection's `run_on_commit` hooks. Django empties these on a rollback, and prunes them
when a savepoint is rolled back. The connection object's `commit` is wrapped: it writes the pending events first, and
afterwards hands over what does not go through the outbox. Its `set_autocommit`, which commits on SQLite and MySQL, is
wrapped in the same way.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import DatabaseErrorWrapper
from msgspec import Struct

from publisher.atomicity import has_failed, is_open, is_open_already
from publisher.error_codes import has_code
from publisher.events.rows import Row
from publisher.models import OutboxEvent
from publisher.outbox import migrating, statement
from publisher.tables import how_to_migrate

# Errors for a table or a column that is missing or outdated: SQLite's texts, and the codes of PostgreSQL and MySQL.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
MISSING = ("no such table", "no column named", "NOT NULL constraint failed")
# https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html#error_er_lock_deadlock
DEADLOCK_CODES = frozenset((1213,))
MISSING_CODES = frozenset(("42P01", "42703", "23502", 1146, 1054, 1048))


class OutboxNotWritten(DatabaseError):
    """The event could not be written, so its transaction must not commit."""


class OutboxNotMigrated(OutboxNotWritten):
    """The event could not be written, so its transaction must not commit: the outbox is not migrated on this alias."""


class OutboxUnavailable(OutboxNotWritten, OperationalError):
    """The database failed while it wrote the event, so its transaction must not commit. It may be tried again."""


class EventNotMade(OutboxNotWritten):
    """A strict rule's event was not made: nothing commits. Mend the value, or send the signal in its own atomic()."""


class SentInAsyncCode(OutboxNotWritten):
    """A forwarded signal was sent in async code, where nothing can be written: use `await signal.asend(...)`."""


class Pending(Struct):
    """An event among the `run_on_commit` hooks. It is called only by tests that run the hooks without a commit."""

    row: Callable[[], Row]
    using: str

    def __call__(self) -> None:
        insert(connections[self.using], [self])


class NotMade(Pending):
    """Stands for an event that could not be made: it makes the commit fail."""


class HandOver(Struct, weakref=True):
    """A hook that is called right after the commit. Django calls other hooks later, once autocommit is on again."""

    function: Callable[[], None]

    def __call__(self) -> None:
        self.function()


class Savepoints(Struct):
    """The savepoints that existed when a hook was added: rolling back to one of them removes the hook.

    Django asks `sid in savepoints`. This stands in for Django's own set, which lacks the savepoints that
    `transaction.savepoint()` makes. `made` is the number of the last one. Numbers only grow (see `_wrap_commit`).
    https://github.com/django/django/blob/5.2/django/db/backends/base/base.py `BaseDatabaseWrapper.savepoint`
    """

    made: int

    def __contains__(self, sid: object) -> bool:
        return number_of(sid) <= self.made


def number_of(sid: object) -> float:
    """The number in a savepoint's id; inf for an id that is not Django's.

    >>> number_of("s140234_x3")
    3.0
    """
    number = str(sid).rpartition("_x")[2]
    return float(number) if number.isdecimal() else inf


def record(row: Callable[[], Row], using: str) -> None:
    """Write the event when, and only if, the current transaction on `using` commits; at once in autocommit.

    `row` makes the event, and is called just before the write, which may raise OutboxNotWritten or a subclass.
    """
    connection, event = connections[using], Pending(row, using)
    try:
        waits = is_open(connection)
    except SynchronousOnlyOperation as exc:
        raise SentInAsyncCode(SentInAsyncCode.__doc__) from exc
    if waits:
        _wait(connection, event, is_robust=False)
    else:
        insert(connection, [event])


def forbid_commit(error: Exception, using: str) -> None:
    """Have the current transaction raise EventNotMade when it would commit, even if somebody catches `error`.

    A rollback to an earlier savepoint lifts this, since no event is missing then.
    """

    def row() -> Row:
        raise EventNotMade(f"{EventNotMade.__doc__} ({error})") from error

    connection = connections[using]
    if is_open_already(connection):
        _wait(connection, NotMade(row, using), is_robust=False)


def after_commit(function: Callable[[], None], using: str) -> HandOver | None:
    """Call the function when, and only if, the current transaction commits; at once in autocommit. It must not raise.

    Returns the waiting hook, if any. Only the transaction keeps it alive: on a rollback, a weak reference to it dies.
    """
    connection = connections[using]
    if not is_open_already(connection):
        function()
        return None
    hook = HandOver(function)
    _wait(connection, hook, is_robust=True)
    return hook


def _wait(connection: BaseDatabaseWrapper, hook: Pending | HandOver, *, is_robust: bool) -> None:
    if connection.closed_in_transaction:
        # This transaction will not commit, and the next connection must not find the hook.
        return
    if not hasattr(connection.commit, "writes_outbox"):
        _wrap_commit(connection)
    _hooks(connection).append((Savepoints(connection.savepoint_state), hook, is_robust))


def pending(using: str) -> list[Row]:
    """The events that the current transaction on `using` would write, in order."""
    return [hook.row() for _, hook, _ in _hooks(connections[using]) if type(hook) is Pending]


def _hooks(connection: BaseDatabaseWrapper) -> list[Any]:
    """Django's list of (savepoint ids, function, robust). The stubs are wrong about it."""
    return connection.run_on_commit


def _wrap_commit(connection: BaseDatabaseWrapper) -> None:
    """Wrap the methods of this connection object, once."""
    commit, set_autocommit = connection.commit, connection.set_autocommit
    savepoint_rollback = connection.savepoint_rollback

    def commit_with_outbox() -> None:
        # In an atomic block, Django's `commit` raises.
        if not connection.in_atomic_block:
            _write_pending(connection)
        if connection.run_on_commit and has_failed(connection):
            # PostgreSQL rolls this transaction back, whatever it is told.
            forget(connection)
        commit()
        _hand_over(connection)

    def set_autocommit_with_outbox(autocommit: bool, *args: Any, **kwargs: Any) -> None:
        ends = autocommit and not connection.in_atomic_block and bool(connection.run_on_commit)
        if ends:
            _write_pending(connection)
        set_autocommit(autocommit, *args, **kwargs)
        if ends:
            _hand_over(connection)

    def savepoint_rollback_of_the_last(sid: str) -> None:
        # Django checks every hook at each rollback. An import may have a hook and a savepoint for each row, so hooks
        # from before this savepoint are put aside meanwhile.
        before, connection.run_on_commit = _parted(_hooks(connection), number_of(sid))
        try:
            savepoint_rollback(sid)
        finally:
            connection.run_on_commit = [*before, *connection.run_on_commit]

    commit_with_outbox.writes_outbox = True  # type: ignore[attr-defined]
    connection.commit = commit_with_outbox  # type: ignore[method-assign]
    connection.set_autocommit = set_autocommit_with_outbox  # type: ignore[method-assign]
    connection.savepoint_rollback = savepoint_rollback_of_the_last  # type: ignore[method-assign]
    # Django would number savepoints from 1 again, and new ones would look older than earlier hooks.
    connection.clean_savepoints = lambda: None  # type: ignore[method-assign]
    if connection.vendor == "mysql":
        connection.wrap_database_errors = NoticingDeadlocks(connection)


class NoticingDeadlocks(DatabaseErrorWrapper):
    """Notices that MySQL has rolled the whole transaction back, which Django takes for an error of one statement.

    https://dev.mysql.com/doc/refman/8.4/en/innodb-deadlock-detection.html
    """

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        if exc_value is not None and has_code(exc_value, DEADLOCK_CODES):
            forget(self.wrapper)  # type: ignore[attr-defined]
        super().__exit__(exc_type, exc_value, traceback)


def forget(connection: BaseDatabaseWrapper) -> None:
    """Forget what the transaction has pending: the database has rolled it back, or will."""
    connection.run_on_commit = [hook for hook in _hooks(connection) if not isinstance(hook[1], Pending | HandOver)]


def _parted(hooks: list[Any], number: float) -> tuple[list[Any], list[Any]]:
    """The hooks from before the savepoint with this number, and the rest. Where in doubt, a hook is in the rest."""
    at = len(hooks)
    while at and not (isinstance(hooks[at - 1][0], Savepoints) and hooks[at - 1][0].made < number):
        at -= 1
    return hooks[:at], hooks[at:]


def _write_pending(connection: BaseDatabaseWrapper) -> None:
    """Write all pending events, also those that are added meanwhile, as by an instrumentation that saves rows."""
    while events := [hook for _, hook, _ in _hooks(connection) if isinstance(hook, Pending)]:
        insert(connection, events)
        written = set(map(id, events))
        connection.run_on_commit = [hook for hook in _hooks(connection) if id(hook[1]) not in written]


def _hand_over(connection: BaseDatabaseWrapper) -> None:
    hooks = _hooks(connection)
    connection.run_on_commit = [hook for hook in hooks if not isinstance(hook[1], HandOver)]
    for _, hook, _ in hooks:
        if isinstance(hook, HandOver):
            hook()


def insert(connection: BaseDatabaseWrapper, events: Sequence[Pending]) -> None:
    """Write the events. Raises OutboxNotWritten or a subclass.

    Events of migrations that run before the outbox exists are left out: nobody can have subscribed to them.
    """
    try:
        if migrating.is_to_come(connection):
            migrating.left_out(len(events))
            return
        statement.execute(connection, (event.row() for event in events))
        migrating.is_there(connection)
    except EventNotMade:
        raise
    except Exception as exc:
        # Always a DatabaseError: when `commit` raises another error, Django does not roll back.
        error = _error_for(exc)
        raise error(_told(error, connection.alias, exc)) from exc


def _error_for(exc: Exception) -> type[OutboxNotWritten]:
    if _is_missing(exc):
        return OutboxNotMigrated
    # A lost connection, a lock or a deadlock is temporary. Consumers, and projects, may try again.
    return OutboxUnavailable if isinstance(exc, OperationalError | InterfaceError) else OutboxNotWritten


def _told(error: type[OutboxNotWritten], using: str, exc: Exception) -> str:
    text = f"{error.__doc__} ({using}: {exc})"
    return f"{text} Run: {how_to_migrate(OutboxEvent, using)}" if error is OutboxNotMigrated else text


def _is_missing(exc: Exception) -> bool:
    """Whether the outbox is not migrated. SQLite and MySQL raise OperationalError for this too."""
    return has_code(exc, MISSING_CODES) or any(text in str(exc) for text in MISSING)
