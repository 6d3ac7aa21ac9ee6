"""Writes events to the outbox in the transaction that made them true: all of them in one INSERT, just before COMMIT.

A pending event waits among the connection's own `run_on_commit` hooks, which Django already empties on rollback and
prunes when a savepoint is rolled back. The connection's `commit` is wrapped, on that instance, to write them first, and
to hand over after it what does not go through the outbox. So is `set_autocommit`, which on SQLite and MySQL commits.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from msgspec import Struct

from publisher.atomicity import is_open, is_open_already
from publisher.error_codes import has_code
from publisher.events.rows import Row
from publisher.models import OutboxEvent
from publisher.outbox import migrating, statement
from publisher.tables import how_to_migrate

# A table or a column that is not there, or is from before: what SQLite says, and the codes of PostgreSQL and MySQL.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
MISSING = ("no such table", "no column named", "NOT NULL constraint failed")
MISSING_CODES = frozenset(("42P01", "42703", "23502", 1146, 1054, 1048))


class OutboxNotWritten(DatabaseError):
    """The event could not be written, so its transaction must not commit."""


class OutboxNotMigrated(OutboxNotWritten):
    """The event could not be written, so its transaction must not commit: the outbox is not migrated on this alias."""


class OutboxUnavailable(OutboxNotWritten, OperationalError):
    """The database failed while it wrote the event, so its transaction must not commit. It may be tried again."""


class EventNotMade(OutboxNotWritten):
    """A strict rule's event could not be made, so nothing commits: mend the value, or send in its own atomic()."""


class SentInAsyncCode(OutboxNotWritten):
    """A forwarded signal was sent in async code, where nothing can be written: use `await signal.asend(...)`."""


class Pending(Struct):
    """An event among the `run_on_commit` hooks; called as one only where tests run the hooks without a commit."""

    row: Callable[[], Row]
    using: str

    def __call__(self) -> None:
        insert(connections[self.using], [self])


class NotMade(Pending):
    """In the place of an event that could not be made."""


class HandOver(Struct, weakref=True):
    """What is done as soon as the commit is: Django's own hooks wait until autocommit is on again."""

    function: Callable[[], None]

    def __call__(self) -> None:
        self.function()


class Savepoints(Struct):
    """What a hook is pruned with: each savepoint that was there when it came, whoever made it.

    Django asks `sid in savepoints`, and itself lists those of `atomic()` alone, not those that
    `transaction.savepoint()` makes. Their numbers count up for as long as the connection object lives.
    https://github.com/django/django/blob/5.2/django/db/backends/base/base.py `BaseDatabaseWrapper.savepoint`
    """

    made: int

    def __contains__(self, sid: object) -> bool:
        return number_of(sid) <= self.made


def number_of(sid: object) -> float:
    """Of a savepoint, as Django numbers them; inf for one that is not Django's.

    >>> number_of("s140234_x3")
    3.0
    """
    number = str(sid).rpartition("_x")[2]
    return float(number) if number.isdecimal() else inf


def record(row: Callable[[], Row], using: str) -> None:
    """Write the event when, and only if, the current transaction on `using` commits; at once in autocommit.

    `row` is asked for what is written just before.
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
    """The transaction that is open, if one is, ends with EventNotMade where it would commit, whoever caught the error.

    What is rolled back to a savepoint before is not missed.
    """

    def row() -> Row:
        raise EventNotMade(f"{EventNotMade.__doc__} ({error})") from error

    connection = connections[using]
    if is_open_already(connection):
        _wait(connection, NotMade(row, using), is_robust=False)


def after_commit(function: Callable[[], None], using: str) -> HandOver | None:
    """Call it when, and only if, the current transaction on `using` commits; at once in autocommit. It must not raise.

    Answers what waits for it, if anything does. None but the transaction holds that: a weak reference to it tells when
    it was rolled back.
    """
    connection = connections[using]
    if not is_open_already(connection):
        function()
        return None
    hook = HandOver(function)
    _wait(connection, hook, is_robust=True)
    return hook


def _wait(connection: BaseDatabaseWrapper, hook: Pending | HandOver, *, is_robust: bool) -> None:
    if not hasattr(connection.commit, "writes_outbox"):
        _wrap_commit(connection)
    _hooks(connection).append((Savepoints(connection.savepoint_state), hook, is_robust))


def pending(using: str) -> list[Row]:
    """The events that the current transaction on `using` would write, in order."""
    return [hook.row() for _, hook, _ in _hooks(connections[using]) if type(hook) is Pending]


def _hooks(connection: BaseDatabaseWrapper) -> list[Any]:
    """Django's own list of (savepoint ids, function, robust); the stubs know two of the three."""
    return connection.run_on_commit


def _wrap_commit(connection: BaseDatabaseWrapper) -> None:
    """Once for each connection."""
    commit, set_autocommit = connection.commit, connection.set_autocommit
    savepoint_rollback = connection.savepoint_rollback

    def commit_with_outbox() -> None:
        # Within a block it is refused.
        if not connection.in_atomic_block:
            _write_pending(connection)
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
        # Django asks each hook whether it is to go, of which there may be as many as rows in an import, and as many
        # savepoints: those that came before this one are not asked.
        before, connection.run_on_commit = _parted(_hooks(connection), number_of(sid))
        try:
            savepoint_rollback(sid)
        finally:
            connection.run_on_commit = [*before, *connection.run_on_commit]

    commit_with_outbox.writes_outbox = True  # type: ignore[attr-defined]
    connection.commit = commit_with_outbox  # type: ignore[method-assign]
    connection.set_autocommit = set_autocommit_with_outbox  # type: ignore[method-assign]
    connection.savepoint_rollback = savepoint_rollback_of_the_last  # type: ignore[method-assign]
    # To number savepoints anew would make new ones look older than events that came before them.
    connection.clean_savepoints = lambda: None  # type: ignore[method-assign]


def _parted(hooks: list[Any], number: float) -> tuple[list[Any], list[Any]]:
    """The hooks that came before the savepoint of this number, as far as events among them tell, and the others."""
    at = len(hooks)
    while at and not (isinstance(hooks[at - 1][0], Savepoints) and hooks[at - 1][0].made < number):
        at -= 1
    return hooks[:at], hooks[at:]


def _write_pending(connection: BaseDatabaseWrapper) -> None:
    """Those, too, that come while others are written, as from an instrumentation that saves."""
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
    """One INSERT for all events, as far as the back end's limits allow. Raises OutboxNotWritten, or what extends it.

    What a migration writes before there is an outbox is left out: nobody can have subscribed to it yet.
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
        # A DatabaseError, whatever it was: Django rolls back for no other error of `commit`.
        error = _error_for(exc)
        raise error(_told(error, connection.alias, exc)) from exc


def _error_for(exc: Exception) -> type[OutboxNotWritten]:
    if _is_missing(exc):
        return OutboxNotMigrated
    # A connection lost, a lock, a deadlock: it passes. Consumers, and projects, wait and try again.
    return OutboxUnavailable if isinstance(exc, OperationalError | InterfaceError) else OutboxNotWritten


def _told(error: type[OutboxNotWritten], using: str, exc: Exception) -> str:
    text = f"{error.__doc__} ({using}: {exc})"
    return f"{text} Run: {how_to_migrate(OutboxEvent, using)}" if error is OutboxNotMigrated else text


def _is_missing(exc: Exception) -> bool:
    """SQLite and MySQL call that operational too, and it does not pass."""
    return has_code(exc, MISSING_CODES) or any(text in str(exc) for text in MISSING)
