"""Runs a handler in transactions that are rolled back, and says what it would have written."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from traceback import format_tb
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections, router, transaction

from consumers.bindings import queue_of
from consumers.dead_letters.statements import ends_transaction, is_read, is_write
from consumers.exceptions import BatchFailed, InboxAway, NotRehearsable
from consumers.handler import Handler
from consumers.handling.calling import Call
from consumers.handling.context import handler_context
from consumers.handling.effect import check_committable
from consumers.handling.places import place_of
from consumers.handling.processing import Untraced
from consumers.handling.results import name_of, text_of
from consumers.models import InboxEvent
from consumers.querysets import inbox
from publisher.redaction import is_secret_text
from publisher.tables import has_table
from publisher.wire.errors import MalformedEvent
from publisher.wire.event import decode_event

NAME = re.compile(r"""["`](\w+)["`]""")
TEXT_CHARACTERS = 300
ROLLED_BACK = "Rolled back."
WARNING = (
    "Effects outside the databases (mail, HTTP calls, files, other brokers) are not undone, nor is what "
    "the handler wrote in another thread (asyncio.to_thread), which is committed; what waits for the commit "
    "(on_commit) was not called."
)
COMMITTED = (
    "NOT ROLLED BACK on {}: the handler, or what it called, has ended the transaction there. What it wrote may stay: "
    "look before anything is replayed."
)
WITHOUT_INBOX = (
    "The handler has inbox=False: outside of a rehearsal it runs in no transaction, and what it writes before it fails "
    "stays."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement by which the handler wrote, its values, and the number of rows that it changed."""

    database: str
    rows: int
    sql: str
    values: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a handler would do with an event. `exception` is empty if it would succeed.

    `was_handled`: the inbox has the event already, so a replay would not call the handler, and the rehearsal did not.
    `committed`: databases on which the handler ended the transaction, so that its writes may stay.
    """

    id: str
    handler: str
    was_handled: bool = False
    exception: str = ""
    where: str = ""
    traceback: str = ""
    reads: int = 0
    writes: tuple[Statement, ...] = ()
    committed: tuple[str, ...] = ()
    warning: str = f"{ROLLED_BACK} {WARNING}"


def rehearse(handler: Handler, letter: str, body: bytes, routing_key: str) -> Rehearsal:
    """Rehearse the letter with this id. Raises InboxAway. Of what the handler raises, only KeyboardInterrupt passes."""
    if _was_handled(handler, body, routing_key):
        return Rehearsal(id=letter, handler=handler.name, was_handled=True)
    error: BaseException | None = None
    with _recorded(may_be_durable=not handler.inbox) as record:
        try:
            _call(handler, body, routing_key)
        except BatchFailed as report:
            error = next(iter(report.failures.values()), report)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # a handler may call sys.exit()
            error = exc
    return Rehearsal(
        id=letter,
        handler=handler.name,
        exception=f"{name_of(error)}: {text_of(error)}" if error else "",
        where=place_of(error, handler.function) if error else "",
        traceback="".join(format_tb(error.__traceback__)) if error else "",
        reads=record.reads,
        writes=tuple(record.writes),
        committed=tuple(record.committed),
        warning=" ".join(_warnings(handler, record)),
    )


def _warnings(handler: Handler, record: "_Record") -> Iterator[str]:
    yield COMMITTED.format(", ".join(record.committed)) if record.committed else ROLLED_BACK
    yield WARNING
    if not handler.inbox:
        yield WITHOUT_INBOX
    if record.unreached:
        yield f"Not reached: {', '.join(record.unreached)}."


def _was_handled(handler: Handler, body: bytes, routing_key: str) -> bool:
    using = router.db_for_write(InboxEvent)
    try:
        if handler.inbox and has_table(InboxEvent, using):
            with suppress(MalformedEvent):
                return inbox(using).has(queue_of(handler), decode_event(body, routing_key))
    except Error as exc:
        raise InboxAway(f"The inbox of {using!r}: {' '.join(str(exc).split())}") from exc
    return False


def _call(handler: Handler, body: bytes, routing_key: str) -> None:
    event = decode_event(body, routing_key)
    call = Call(handler)
    if not call.takes(event):
        return
    with Untraced().one(event):
        if handler.batch:
            # As in a worker, a batch has no HANDLER_CONTEXT.
            call.together([event])
        else:
            with handler_context(event):
                call(event)
        if handler.inbox:
            check_committable(router.db_for_write(InboxEvent))


class _Record:
    """What the handler read and wrote."""

    def __init__(self) -> None:
        self.reads = 0
        self.writes: list[Statement] = []
        self.unreached: list[str] = []
        self.committed: list[str] = []

    def wrapper(self, alias: str) -> Any:
        def wrapper(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
            if ends_transaction(sql, connections[alias].vendor):
                raise NotRehearsable(NotRehearsable.__doc__)
            result = execute(sql, params, many, context)
            if is_write(sql):
                # For RETURNING, SQLite says 0 until the rows are fetched: count the rows in the statement instead.
                rows = context["cursor"].rowcount or (sql.count("(%s") if "RETURNING" in sql.upper() else 0)
                text = " ".join(sql.split())[:TEXT_CHARACTERS]
                self.writes.append(Statement(database=alias, rows=rows, sql=text, values=_shown(sql, params)))
            else:
                self.reads += is_read(sql)
            return result

        return wrapper


@contextmanager
def _recorded(*, may_be_durable: bool) -> Iterator[_Record]:
    """Record what is written to the databases, and roll it back on all of them.

    On a database that cannot be reached at the beginning, every statement raises. `may_be_durable` allows
    `atomic(durable=True)`, for a handler that a worker calls outside of a transaction.
    """
    record = _Record()
    savepoints: dict[str, Any] = {}
    with ExitStack() as stack:
        for alias in connections:
            connection: Any = connections[alias]
            # Django never clears it: it may be of the letter before.
            connection.rollback_exc = None
            wrapper = record.wrapper(alias)
            try:
                stack.enter_context(_block(alias, may_be_durable=may_be_durable))
                savepoints[alias] = connection.savepoint()
            except (Error, ImproperlyConfigured) as exc:
                record.unreached.append(alias)
                wrapper = _raising(exc)
            stack.enter_context(connection.execute_wrapper(wrapper))
        yield record
        for alias, savepoint in savepoints.items():
            if _is_over(alias, savepoint):
                record.committed.append(alias)
            transaction.set_rollback(True, using=alias)


def _is_over(alias: str, savepoint: Any) -> bool:
    """Whether the transaction has ended, so that a rollback does not reach its writes: its savepoint is gone then."""
    try:
        transaction.savepoint_rollback(savepoint, using=alias)
    except Error:
        # The savepoint is also gone if the connection was closed, but then everything is rolled back.
        return not connections[alias].closed_in_transaction
    return False


def _block(alias: str, *, may_be_durable: bool) -> Any:
    block: Any = transaction.atomic(using=alias)
    # Django's TestCase marks its own blocks like this, so that a durable block may be opened inside of them.
    block._from_testcase = may_be_durable
    return block


def _raising(exc: Exception) -> Callable[..., Any]:
    def wrapper(*args: Any) -> Any:
        raise exc.with_traceback(None)

    return wrapper


def _shown(sql: str, params: Sequence[Any] | Mapping[str, Any] | None) -> str:
    """The values of a statement, unless it names a column that sounds like a secret."""
    if any(map(is_secret_text, NAME.findall(sql))):
        return "not shown: one is a secret"
    values = params.values() if isinstance(params, Mapping) else params or ()
    return ", ".join(map(repr, values))[:TEXT_CHARACTERS]
