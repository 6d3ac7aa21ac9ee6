"""Broken promises on purpose: with each of these a run must not be clean, or the checker is blind to it.

`python -m tests.chaos --size short --sabotage NAME`. The names say what the product does wrong then.
"""

import os
from collections.abc import Callable
from typing import Any

VARIABLE = "CHAOS_SABOTAGE"


def replace(owner: Any, name: str, made: Callable[[Any], Any]) -> None:
    """Put what `made` makes of the original in its place."""
    setattr(owner, name, made(getattr(owner, name)))


def deletes_before_the_confirm() -> None:
    from publisher.relay.session import Session

    def early(send: Any) -> Any:
        def send_and_forget(self: Any, rows: Any) -> None:
            send(self, rows)
            self._done += [row.id for row in rows]

        return send_and_forget

    replace(Session, "_send", early)


def writes_the_event_after_the_commit() -> None:
    from django.db import transaction

    from publisher import forwarding
    from publisher.outbox import writing as outbox

    def late(record: Any) -> Any:
        return lambda row, using: transaction.on_commit(outbox.Pending(row, using), using=using)

    replace(forwarding, "record", late)


def reads_from_the_last_id_on() -> None:
    from publisher.relay.session import Session

    def beyond(read: Any) -> Any:
        def read_on(self: Any, now: float) -> Any:
            last = getattr(self, "last", 0)
            batch = read(self, now)
            rows = [row for row in batch.rows if row.id > last]
            self.last = max([last, *(row.id for row in rows)])
            return batch._replace(rows=rows)

        return read_on

    replace(Session, "_read", beyond)


def publishes_without_the_lease() -> None:
    from publisher.relay.leases import Leases

    def all_of_them(renew: Any) -> Any:
        def take(self: Any, rate: float = 0.0) -> None:
            renew(self, rate)
            self.held = frozenset(range(self.shards))

        return take

    replace(Leases, "renew", all_of_them)


def acknowledges_before_the_handler() -> None:
    from consumers.worker.session import Session

    def early(arrived: Any) -> Any:
        def acknowledge_and_take(self: Any, delivery: Any) -> None:
            self._finished.append(delivery.tag)
            arrived(self, delivery)

        return acknowledge_and_take

    replace(Session, "_arrived", early)


def forgets_what_was_handled() -> None:
    from consumers.querysets import InboxQuerySet

    def always(admit: Any) -> Any:
        return lambda self, subscription, event: admit(self, subscription, event) or True

    replace(InboxQuerySet, "admit", always)


def ignores_the_lanes() -> None:
    from consumers.worker.lanes import Lanes

    replace(Lanes, "enter", lambda enter: lambda self, key, item: True)
    replace(Lanes, "leave", lambda leave: lambda self, key: None)


PUBLISHER = (
    deletes_before_the_confirm,
    writes_the_event_after_the_commit,
    reads_from_the_last_id_on,
    publishes_without_the_lease,
)
CONSUMERS = (acknowledges_before_the_handler, forgets_what_was_handled, ignores_the_lanes)
SABOTAGES = {"publisher": PUBLISHER, "consumers": CONSUMERS}
NAMES = {sabotage.__name__: (scenario, sabotage) for scenario, those in SABOTAGES.items() for sabotage in those}


def commit() -> None:
    """What the environment asks for, in this process."""
    if name := os.environ.get(VARIABLE):
        NAMES[name][1]()
