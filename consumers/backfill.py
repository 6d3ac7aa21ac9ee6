"""Makes events of rows that are older than a handler, for this handler alone.

The events go through the outbox. They are in order with the events of other writes, because one transaction locks a
row, reads it, and writes its event. The relay publishes these events to the queue of the one handler.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event as Flag
from typing import Any

from django.db import Error, InterfaceError, OperationalError, connections, transaction
from django.db.models import Model, QuerySet
from django.db.models.signals import post_save

from consumers.bindings import is_bound, known_signal, rules_about
from consumers.dead_letters.owners import Owner
from publisher import conf
from publisher.events.body import Encoded
from publisher.events.dispatch import encoded_event
from publisher.events.rows import row_of
from publisher.forwarding import is_wanted
from publisher.outbox.waiting import outbox
from publisher.outbox.writing import record
from publisher.rules import Rule
from publisher.wire.pause import Pause
from publisher.wire.routing import OneQueue

PAGE_ROWS = 500
# While so many events wait in the outbox, no more are added: the site's own events would have to wait behind them.
MOST_WAITING = 2_000
LOOK_SECONDS = 0.1
# For one page, when the database fails: a lock, a deadlock, a lost connection. All pauses together: 4 to 8 seconds.
TRIES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How far the backfill is: the last row's key, how many events were written, how many rows were left out."""

    pk: Any
    written: int
    left_out: int


def once_each(rows: QuerySet[Any]) -> QuerySet[Any]:
    """The same rows, each once. Without a join that may repeat rows, it is the same query.

    No `distinct()`: PostgreSQL locks no rows of a SELECT DISTINCT, and compares no columns of JSON.
    """
    if not _may_repeat(rows.query):
        return rows
    every: QuerySet[Any] = rows.model._base_manager.using(rows.db)
    return every.filter(pk__in=rows.order_by().values("pk"))


def _may_repeat(query: Any) -> bool:
    """Whether the query joins a table that may have several rows for one of the model's: that of a to-many relation."""
    fields = (getattr(join, "join_field", None) for name, join in query.alias_map.items() if query.alias_refcount[name])
    return query.group_by is None and any(getattr(field, "multiple", False) for field in fields)


class Backfill:
    """Makes a `post_save` event, with `created=False`, of each row of `queryset`, in the order of primary keys.

    Rows are read from the database `using`, and their events are written to its outbox. `queryset` must not be sliced.
    `after` is a primary key: only rows with a greater one are read.
    """

    def __init__(self, queryset: QuerySet[Any], owner: Owner, using: str, after: Any = None) -> None:
        self.known = known_signal(post_save)
        self.model: type[Model] = queryset.model
        self.rules = [rule for rule in rules_about(self.known) if self._takes(rule)]
        self._rows = once_each(queryset.using(using)).order_by("pk")
        self._owner = owner
        self._using = using
        self._after = after

    def _takes(self, rule: Rule) -> bool:
        return rule.delivery != "ask" and rule.takes_sender(self.model._meta.label_lower)

    def count(self) -> int:
        """How many rows there are to go through."""
        return self._behind(self._after).count()

    def run(
        self,
        stop: Flag,
        wait: Callable[[int], object] = lambda waiting: None,
        again: Callable[[Error], object] = lambda trouble: None,
    ) -> Iterator[Done]:
        """Yields after each page of rows, until there are none left, or `stop` is set.

        `wait` is called with the number of waiting events, again and again, while the relay has to catch up. `again` is
        called with the database's error before a page is tried again.
        """
        done = Done(pk=self._after, written=0, left_out=0)
        while not stop.is_set():
            if (waiting := self._waiting()) >= MOST_WAITING:
                wait(waiting)
                stop.wait(LOOK_SECONDS)
                continue
            page = self._patiently(done, stop, again)
            if page is None:
                return
            done = page
            yield done

    def _patiently(self, done: Done, stop: Flag, again: Callable[[Error], object]) -> Done | None:
        pause = Pause(stop)
        for _ in range(TRIES - 1):
            try:
                return self._next_page(done)
            except (OperationalError, InterfaceError) as exc:
                if stop.is_set():
                    raise
                again(exc)
                connections[self._using].close()
                pause.wait()
        return self._next_page(done)

    def _next_page(self, done: Done) -> Done | None:
        """How far the backfill is after one more page; None if no rows are left."""
        with transaction.atomic(using=self._using):
            self._lock()
            page = list(self._behind(done.pk).select_for_update()[:PAGE_ROWS])
            written = sum(map(self._write, page))
        if not page:
            return None
        return Done(
            pk=page[-1].pk,
            written=done.written + written,
            left_out=done.left_out + len(page) - written,
        )

    def _lock(self) -> None:
        """On SQLite, take the write lock before anything is read, by a write that changes no row.

        SQLite has no row locks, and a transaction that has read already cannot wait for the write lock: it fails.
        https://www.sqlite.org/lang_transaction.html
        """
        if connections[self._using].vendor == "sqlite":
            outbox(self._using).filter(pk=0).update(type="")

    def _waiting(self) -> int:
        return outbox(self._using).all()[:MOST_WAITING].count()

    def _behind(self, pk: Any) -> QuerySet[Any]:
        return self._rows if pk is None else self._rows.filter(pk__gt=pk)

    def _write(self, instance: Model) -> bool:
        """Write the event of this row. Returns False if none is written: no rule or key of the handler takes it."""
        kwargs = {
            "instance": instance, "created": False, "update_fields": None, "raw": False, "using": self._using,
        }  # fmt: skip
        rule = next((rule for rule in self.rules if rule.when is None or is_wanted(rule, self.model, kwargs)), None)
        if rule is None:
            return False
        encoded = encoded_event(self.known, self.model, kwargs, rule, conf.service())
        handler = self._owner.handler
        if handler is not None and not is_bound(handler, encoded.routing_key):
            return False
        row = row_of(self._addressed(encoded), rule)._replace(keep_unroutable=True)
        record(lambda: row, self._using)
        return True

    def _addressed(self, encoded: Encoded) -> Encoded:
        return encoded._replace(routing_key=OneQueue(self._owner.queue, encoded.routing_key).marked)
