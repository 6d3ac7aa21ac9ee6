"""Calls a handler exactly once in effect: its writes and the event's row in the inbox are one transaction."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Event as Flag
from typing import NamedTuple

from django.db import DatabaseError, OperationalError, connections, router, transaction

from consumers.blocks import open_blocks
from consumers.exceptions import BatchFailed, BatchUndone, OnCommitFailed
from consumers.handling.at_work import AtWork
from consumers.handling.calling import Call
from consumers.handling.context import handler_context
from consumers.handling.effect import check_committable, effect, may_have_ended, rolled_back
from consumers.handling.late_lock import has_one_writer, late_lock
from consumers.handling.lock_waits import brief_lock_waits, is_lock_timeout
from consumers.handling.patience import TRIES, Patience
from consumers.handling.processing import processing
from consumers.handling.starts import Starts
from consumers.models import InboxEvent
from consumers.querysets import InboxQuerySet, inbox, key_of
from publisher.atomicity import commit_each_statement
from publisher.wire.event import Event
from publisher.wire.ids import told
from publisher.wire.origin import originating
from publisher.wire.printable import printable

logger = logging.getLogger("consumers.worker")


class HandledByAnother(Exception):
    """Another process, or thread, is handling this event."""


class Together(NamedTuple):
    """What became of the events of a batch, by their ids: the errors of those that failed, and which were not new."""

    failures: Mapping[str, BaseException]
    before: frozenset[str] = frozenset()


class Once:
    """Calls a handler by its inbox. Without an inbox, it is called each time the event comes, in no transaction."""

    def __init__(self, call: Call, subscription: str, *, stop: Flag, has_database: bool) -> None:
        self._handler = call.handler
        self._call = call
        self._subscription = subscription
        self._using = router.db_for_write(InboxEvent) if has_database else ""
        self._has_inbox = call.handler.inbox and has_database
        # How many calls one attempt may have. Without an inbox only one: nothing would roll back what it wrote.
        self._tries = TRIES if self._has_inbox else 1
        self._at_work = AtWork()
        self.processing = processing(subscription)
        self.patience = Patience(self._using, stop, needs_inbox=self._has_inbox)
        self.starts = Starts(subscription, self._using, self.patience, most=call.handler.retry.attempts)

    def one(self, event: Event, *, is_counted: bool = False) -> bool:
        """Handle the event. Returns False if it was handled before. Raises HandledByAnother, and the handler's errors.

        `is_counted`: the event's starts were counted, so the count is deleted once it is handled.
        """
        if not self._has_inbox:
            return self._one_here(event, is_counted)
        keys = (key_of(event),)
        if not self._at_work.enter(*keys):
            raise HandledByAnother
        try:
            return self._one_here(event, is_counted)
        finally:
            self._at_work.leave(keys)

    def _one_here(self, event: Event, is_counted: bool) -> bool:
        # Around the transaction, so that callbacks of `on_commit` know the event that they come from, too.
        with self.processing.one(event):
            is_new = self.patience.keep_trying(self._one, event, is_counted, tries=self._tries)
        if is_counted and (self._is_late or not self._has_inbox):
            self.starts.end(event)
        if not is_new:
            self._tell_of_before(event)
        return is_new

    def together(self, events: Sequence[Event]) -> Together:
        """Handle events with different ids in one call. Raises if all failed."""
        keys = [key for event in events if self._at_work.enter(key := key_of(event))] if self._has_inbox else []
        try:
            with self.processing.together(events):
                return self.patience.keep_trying(self._together, events, tries=self._tries)
        finally:
            self._at_work.leave(keys)

    def is_here(self, event: Event) -> bool:
        """Whether another thread of this process is handling the same event, which has come twice."""
        return self._has_inbox and self._at_work.has(key_of(event))

    def is_at_another(self, event: Event) -> bool:
        """Whether another thread or process is handling the event. A process has locked its row in the inbox then.

        That process lost its connection to the broker, so the event was redelivered.
        """
        if self.is_here(event):
            return True
        if not self._has_inbox or self._is_late:
            return False
        return self.patience.keep_trying(self._look_for_another, event)

    def _one(self, event: Event, is_counted: bool) -> bool:
        if self._handler.batch:
            # A batch has no HANDLER_CONTEXT: its events may need different ones. So a single event has none either.
            return self._one_in_effect(event, is_counted)
        # Around the transaction, so that callbacks of `on_commit` run within the context, too.
        with handler_context(event):
            return self._one_in_effect(event, is_counted)

    def _one_in_effect(self, event: Event, is_counted: bool) -> bool:
        if not self._has_inbox:
            self._called(event)
            return True
        if self._is_late:
            return self._one_late(event)
        with self._effect() as rows:
            is_new = bool(row := self._admit(event))
            if is_new:
                rows.append(row)
                self._called(event)
                self._check_committable(event)
            if is_counted:
                self.starts.end_within(event)
            return is_new

    def _one_late(self, event: Event) -> bool:
        """Write the inbox's row last. If two processes handle the event, the second finds the row, and rolls back."""
        if self._inbox.has(self._subscription, event):
            return False
        with effect(self._using, late_lock):
            self._called(event)
            check_committable(self._using)
            is_new = bool(self._inbox.admit(self._subscription, event))
            transaction.set_rollback(not is_new, using=self._using)
            return is_new

    def _together(self, events: Sequence[Event]) -> Together:
        if not self._has_inbox:
            return Together(self._called_together(events))
        new: list[Event] = []
        before: list[Event] = []
        failures: Mapping[str, BaseException] = {}
        try:
            with self._effect() as rows:
                for event in events:
                    row = self._inbox.admit(self._subscription, event)
                    (new if row else before).append(event)
                    rows.append(row)
                failures = self._called_together(new) if new else {}
                if new:
                    self._check_committable(new[0])
                if failures:
                    # The others' work is committed. The events that failed are tried again, so their rows must go.
                    self._inbox.forget(self._subscription, [event for event in new if event.id in failures])
        except OnCommitFailed as exc:
            self.processing.partly_failed(exc)
            failures = {**{event.id: exc for event in new}, **failures}
        for event in before:
            self._tell_of_before(event)
        return Together(failures, frozenset(event.id for event in before))

    def _called(self, event: Event) -> None:
        if not self._handler.batch:
            self._call(event)
        elif exc := self._called_together([event]).get(event.id):
            raise exc

    def _called_together(self, events: Sequence[Event]) -> Mapping[str, BaseException]:
        blocks = open_blocks()
        try:
            self._call.together(events)
        except BatchFailed as report:
            if len(events) > 1 and report.left_a_block(blocks):
                raise BatchUndone from report
            if unknown := report.failures.keys() - {event.id for event in events}:
                raise LookupError(
                    f"BatchFailed names an id that no event of the batch has: {min(unknown)!r}"
                ) from report
            self.processing.partly_failed(report)
            for exc in report.failures.values():
                # An exception that was made but never raised has no traceback, so it shows the place of the report.
                exc.__traceback__ = exc.__traceback__ or report.__traceback__
            return report.failures
        return {}

    def _check_committable(self, event: Event) -> None:
        """Raises HandlerRolledBack if the transaction would not commit. If MySQL has rolled back without Django's
        notice, the event's row is gone as well.
        """
        check_committable(self._using)
        if may_have_ended(self._using) and not self._inbox.has(self._subscription, event):
            raise rolled_back(self._using)

    def _look_for_another(self, event: Event) -> bool:
        try:
            with effect(self._using):
                with brief_lock_waits(self._using):
                    self._admit(event)
                transaction.set_rollback(True, using=self._using)
        except HandledByAnother:
            return True
        return False

    @contextmanager
    def _effect(self) -> Iterator[list[int]]:
        """The handler's transaction. Yields a list for the ids of inbox rows: these rows are deleted if it fails.

        A rollback usually deletes them. But on MySQL, TRUNCATE and statements that change the schema commit what was
        written before them.
        """
        rows: list[int] = []
        try:
            with effect(self._using):
                yield rows
                # COMMIT comes next. If its answer is lost, only the rows show whether it was done, so they are kept.
                # There is no COMMIT if the handler has left a block of its own open.
                if not connections[self._using].savepoint_ids:
                    rows.clear()
        except BaseException:
            if rows and connections[self._using].vendor == "mysql":
                # If the database is away, the transaction was probably rolled back.
                with suppress(DatabaseError):
                    commit_each_statement(self._using)
                    self._inbox.filter(id__in=rows).remove()
            raise

    def _admit(self, event: Event) -> int:
        """Insert the row. Raises HandledByAnother if another transaction has inserted it, and does not end soon."""
        try:
            return self._inbox.admit(self._subscription, event)
        except OperationalError as exc:
            if is_lock_timeout(exc):
                raise HandledByAnother from exc
            raise

    def _tell_of_before(self, event: Event) -> None:
        with originating(event):
            logger.info("handled before event=%s%s handler=%s",
                        printable(event.id), told(event), self._handler.name)  # fmt: skip

    @property
    def _is_late(self) -> bool:
        return self._handler.late_inbox and has_one_writer(self._using)

    @property
    def _inbox(self) -> InboxQuerySet:
        return inbox(self._using)
