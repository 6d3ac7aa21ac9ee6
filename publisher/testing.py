"""For a project's own tests: the events that a block forwards, and the answers that its questions get."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS, connections
from django.dispatch import Signal

from publisher.ask import Desk, at_desk
from publisher.catalogue.signals import known_as
from publisher.events.rows import Row
from publisher.models import OutboxEvent
from publisher.outbox.writing import pending
from publisher.wire.event import Event, decode_event


class forwarded_events:
    """`with forwarded_events() as events:` fills the list when the block ends: with the events that it forwarded to the
    outbox of `using`, in order.

    The list has committed events and those of the current transaction, so this works in a TestCase, which never
    commits, and in a TransactionTestCase. It has no events that were rolled back, or that a rule delivers directly. In
    an async test, write `async with`.
    """

    def __init__(self, using: str = DEFAULT_DB_ALIAS) -> None:
        self._using = using

    def __enter__(self) -> list[Event]:
        self._look = Forwarded(self._using)
        self._events: list[Event] = []
        return self._events

    def __exit__(self, *exc_info: object) -> None:
        self._events += self._look()

    # `sync_to_async` runs these in the thread of Django's own async queries.
    async def __aenter__(self) -> list[Event]:
        return await sync_to_async(self.__enter__)()

    async def __aexit__(self, *exc_info: object) -> None:
        await sync_to_async(self.__exit__)()


@contextmanager
def answers(by_signal: Mapping[Signal, Any]) -> Iterator[None]:
    """Inside the block, questions of these signals get these answers, at once and without a broker. Questions of other
    signals get their rule's `on_timeout`.
    """
    with at_desk(_Answers({_name_of(signal): answer for signal, answer in by_signal.items()})):
        yield


def _name_of(signal: Signal) -> str:
    known = known_as(signal)
    if known is None:
        raise LookupError(f"{signal!r} is not in the catalogue: `manage.py signals` lists what is.")
    return known.name


class _Answers(Desk):
    def __init__(self, by_type: Mapping[str, Any]) -> None:
        super().__init__()
        self._by_type = by_type

    def ask(self, id: str, type: str, routing_key: str, body: bytes, *, seconds: float, default: Any) -> Any:
        return self._by_type.get(type, default)


class Forwarded:
    """Calling this returns the events since it was made; with another database as `using`, all events in that one."""

    def __init__(self, using: str = DEFAULT_DB_ALIAS) -> None:
        self.using = using
        self._before = _forwarded(using).keys()

    def __call__(self, using: str | None = None) -> list[Event]:
        before = self._before if using in (None, self.using) else ()
        return [event for event_id, event in _forwarded(using or self.using).items() if event_id not in before]


def _forwarded(using: str) -> dict[str, Event]:
    connection = connections[using]
    if connection.in_atomic_block and connection.needs_rollback:
        return {}  # the transaction will be rolled back, and its events with it
    rows: list[OutboxEvent | Row] = [*OutboxEvent.objects.using(using), *pending(using)]
    # By id, since an event may be there twice: in the outbox, and among the commit hooks, if a test has executed these.
    return {row.message_id: decode_event(bytes(row.body), row.routing_key) for row in rows}
