"""Checks whether handlers are at work, for `manage.py consume --check`, which orchestrators call."""

from collections.abc import Sequence

from django.db import router

from consumers.bindings import queue_of, topology_of
from consumers.handler import Handler
from consumers.models import Attempt, InboxEvent
from publisher import conf
from publisher.tables import trouble_with
from publisher.wire.connection import MISSING, PRESENT, Connection
from publisher.wire.errors import BrokerRefused, BrokerUnavailable


def problems_of_work(handlers: Sequence[Handler]) -> list[str]:
    """Why handlers are not at work, in any process, as far as broker and database show; empty if all are."""
    if not handlers:
        return ["There is no handler: `manage.py consume` has nothing to run."]
    return [*problems_of_queues(handlers), *problems_of_inbox(handlers)]


def problems_of_queues(handlers: Sequence[Handler]) -> list[str]:
    """A text for each queue that is missing, is not as the code needs it, or has no consumers."""
    asked = {queue.name: queue for queue in topology_of(handlers).queues}
    try:
        with Connection(conf.broker_url(), "check") as connection:
            counts = {queue: connection.count_consumers(queue) for queue in map(queue_of, handlers)}
            states = {queue: connection.state_of_queue(asked[queue]) for queue in counts if queue in asked}
    except (BrokerUnavailable, BrokerRefused) as exc:
        return [str(exc)]
    missing = [f"{queue}: there is no such queue" for queue, count in counts.items() if count is None]
    # A queue may have consumers and still be wrong: it may belong to a service with the same name but another EXCHANGE.
    unlike = [f"{queue}: {state}" for queue, state in states.items() if state not in (PRESENT, MISSING)]
    return missing + unlike + [f"{queue}: nobody takes from it" for queue, count in counts.items() if count == 0]


def problems_of_inbox(handlers: Sequence[Handler]) -> list[str]:
    """Why the inbox cannot be used; empty if it can. While it cannot, a worker takes events, and holds them."""
    if all(handler.ask or not handler.inbox for handler in handlers):
        return []
    using = router.db_for_write(InboxEvent)
    trouble = trouble_with((InboxEvent, Attempt), using)
    return [f"The inbox in {using!r}: {trouble}"] if trouble else []
