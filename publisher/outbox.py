"""Writes events to the outbox in the transaction that made them true: all of them in one INSERT, just before COMMIT.

A pending event waits among the connection's own `run_on_commit` hooks, which Django already empties on rollback and
prunes when a savepoint is rolled back. The connection's `commit` is wrapped, on that instance, to write them first, and
to hand over after it what does not go through the outbox.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple
from zlib import crc32

from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from publisher import migrating
from publisher.models import OutboxEvent

COLUMNS = ("message_id", "type", "routing_key", "partitionkey", "slot", "keep_unroutable", "body")
SLOTS = 1024
CHANNEL = "signal_bridge"
CHUNK_ROWS = 500
CHUNK_BYTES = 4_000_000
# Of a table or a column: SQLite and MySQL call that operational too, and it does not pass.
MISSING = ("no such table", "no column named", "Unknown column")


class OutboxNotWritten(DatabaseError):
    """The event could not be written, so its transaction must not commit. Is the outbox migrated on this alias?"""


class OutboxUnavailable(OutboxNotWritten, OperationalError):
    """The database failed while it wrote the event, so its transaction must not commit. It may be tried again."""


class Row(NamedTuple):
    """What the outbox keeps of one event, in the order of COLUMNS."""

    message_id: str
    type: str
    routing_key: str
    partitionkey: str
    slot: int
    keep_unroutable: bool
    body: bytes


def slot_of(partitionkey: str) -> int:
    """Shards divide the slots among them, so that events of one key stay together."""
    return crc32(partitionkey.encode()) % SLOTS


class Pending:
    """An event among the `run_on_commit` hooks; called as one only where tests run the hooks without a commit."""

    __slots__ = ("row", "using")

    def __init__(self, row: Row, using: str) -> None:
        self.row = row
        self.using = using

    def __call__(self) -> None:
        insert(connections[self.using], [self.row])


class HandOver:
    """What is done as soon as the commit is: Django's own hooks wait until autocommit is on again."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], None]) -> None:
        self.function = function

    def __call__(self) -> None:
        self.function()


class Savepoints:
    """What a hook is pruned with: each savepoint that was there when it came, whoever made it.

    Django asks `sid in savepoints`, and itself lists those of `atomic()` alone, not those that
    `transaction.savepoint()` makes. Their numbers count up for as long as the connection object lives.
    https://github.com/django/django/blob/5.2/django/db/backends/base/base.py `BaseDatabaseWrapper.savepoint`
    """

    __slots__ = ("made",)

    def __init__(self, made: int) -> None:
        self.made = made

    def __contains__(self, sid: object) -> bool:
        number = str(sid).rpartition("_x")[2]
        return number.isdecimal() and int(number) <= self.made


def record(row: Row, using: str) -> None:
    """Write the event when, and only if, the current transaction on `using` commits; at once in autocommit."""
    connection = connections[using]
    if not connection.in_atomic_block and connection.get_autocommit():
        insert(connection, [row])
        return
    _wait(connection, Pending(row, using), is_robust=False)


def after_commit(function: Callable[[], None], using: str) -> None:
    """Call it when, and only if, the current transaction on `using` commits; at once in autocommit. It must not raise.

    It asks for no connection where there is none yet: what needs no database must not wait for one.
    """
    connection = connections[using]
    is_open = connection.in_atomic_block or (connection.connection is not None and not connection.autocommit)
    if is_open:
        _wait(connection, HandOver(function), is_robust=True)
    else:
        function()


def _wait(connection: BaseDatabaseWrapper, hook: Pending | HandOver, *, is_robust: bool) -> None:
    _wrap_commit(connection)
    _hooks(connection).append((Savepoints(connection.savepoint_state), hook, is_robust))


def pending(using: str) -> list[Row]:
    """The events that the current transaction on `using` would write, in order."""
    return [hook.row for _, hook, _ in _hooks(connections[using]) if isinstance(hook, Pending)]


def _hooks(connection: BaseDatabaseWrapper) -> list[Any]:
    """Django's own list of (savepoint ids, function, robust); the stubs know two of the three."""
    return connection.run_on_commit


def _wrap_commit(connection: BaseDatabaseWrapper) -> None:
    """Wrap this connection's `commit`, once."""
    if getattr(connection.commit, "writes_outbox", False):
        return
    commit = connection.commit

    def commit_with_outbox() -> None:
        _write_pending(connection)
        commit()
        _hand_over(connection)

    commit_with_outbox.writes_outbox = True  # type: ignore[attr-defined]
    connection.commit = commit_with_outbox  # type: ignore[method-assign]


def _write_pending(connection: BaseDatabaseWrapper) -> None:
    hooks = _hooks(connection)
    rows = [hook.row for _, hook, _ in hooks if isinstance(hook, Pending)]
    if rows:
        insert(connection, rows)
        connection.run_on_commit = [hook for hook in hooks if not isinstance(hook[1], Pending)]


def _hand_over(connection: BaseDatabaseWrapper) -> None:
    hooks = _hooks(connection)
    connection.run_on_commit = [hook for hook in hooks if not isinstance(hook[1], HandOver)]
    for _, hook, _ in hooks:
        if isinstance(hook, HandOver):
            hook()


def insert(connection: BaseDatabaseWrapper, rows: Sequence[Row]) -> None:
    """One INSERT for all rows, as far as the back end's limits allow. Raises OutboxNotWritten or OutboxUnavailable.

    What a migration writes before there is an outbox is left out: nobody can have subscribed to it yet.
    """
    try:
        if migrating.is_to_come(connection):
            migrating.left_out(len(rows))
            return
        with connection.cursor() as cursor:
            for chunk in _chunks(rows, connection):
                cursor.execute(_statement(connection.vendor, len(chunk)), list(chain.from_iterable(chunk)))
        migrating.is_there(connection)
    except Exception as exc:
        # A DatabaseError, whatever it was: Django rolls back for no other error of `commit`.
        error = OutboxUnavailable if _is_outage(exc) else OutboxNotWritten
        raise error(f"{error.__doc__} ({connection.alias}: {exc})") from exc


def _is_outage(exc: Exception) -> bool:
    """Whether it passes: a connection lost, a lock, a deadlock. Consumers, and projects, wait and try again."""
    return isinstance(exc, OperationalError | InterfaceError) and not any(text in str(exc) for text in MISSING)


@lru_cache(maxsize=CHUNK_ROWS)
def _statement(vendor: str, count: int) -> str:
    quote = "`" if vendor == "mysql" else '"'
    table = f"{quote}{OutboxEvent._meta.db_table}{quote}"
    columns = ", ".join(COLUMNS)
    values = ", ".join(["(" + ", ".join(["%s"] * len(COLUMNS)) + ")"] * count)
    # PostgreSQL folds the same notification of one transaction into one.
    notify = f" RETURNING pg_notify('{CHANNEL}', '')" if vendor == "postgresql" else ""
    return f"INSERT INTO {table} ({columns}) VALUES {values}{notify}"


def _chunks(rows: Iterable[Row], connection: BaseDatabaseWrapper) -> Iterator[list[Row]]:
    most: Any = connection.features.max_query_params
    most_rows = min(CHUNK_ROWS, most // len(COLUMNS)) if most else CHUNK_ROWS
    chunk: list[Row] = []
    size = 0
    for row in rows:
        if chunk and (len(chunk) == most_rows or size + len(row.body) > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += len(row.body)
    if chunk:
        yield chunk
