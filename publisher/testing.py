"""For a project's own tests: what the code inside a block forwarded."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections

from publisher.models import OutboxEvent
from publisher.outbox import pending
from publisher.rows import Row
from publisher.wire.event import Event, decode_event


@contextmanager
def forwarded_events(using: str = DEFAULT_DB_ALIAS) -> Iterator[list[Event]]:
    """The events that the block forwarded to the outbox of `using`, in order; the list fills when the block ends.

    Committed or pending in the current transaction, so it works in a TestCase, which never commits, as in a
    TransactionTestCase. What was rolled back is not there, nor is what a rule delivers directly.
    """
    look = Forwarded(using)
    events: list[Event] = []
    try:
        yield events
    finally:
        events += look()


class Forwarded:
    """What was forwarded since this was made: called, the events so far."""

    def __init__(self, using: str = DEFAULT_DB_ALIAS) -> None:
        self.using = using
        self._before = _forwarded(using).keys()

    def __call__(self) -> list[Event]:
        return [event for event_id, event in _forwarded(self.using).items() if event_id not in self._before]


def _forwarded(using: str) -> dict[str, Event]:
    connection = connections[using]
    if connection.in_atomic_block and connection.needs_rollback:
        return {}  # the transaction is lost, and all that it would have forwarded
    rows: list[OutboxEvent | Row] = [*OutboxEvent.objects.using(using), *pending(using)]
    # By id: hooks that a test has executed are in the outbox, and among the hooks still.
    return {row.message_id: decode_event(bytes(row.body), row.routing_key) for row in rows}
