"""One delivery to one handler: decode, call once in effect, and decide what becomes of it. Knows no broker."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from threading import Event as Flag

from django.db import router, transaction
from msgspec.structs import replace

from consumers.blocks import open_blocks
from consumers.calling import Call
from consumers.effect import check_committable, effect, may_have_ended, rolled_back
from consumers.exceptions import BatchFailed, BatchUndone, HandlerKilledItsProcess, OnCommitFailed
from consumers.late_lock import has_one_writer, late_lock
from consumers.models import InboxEvent
from consumers.patience import TRIES, GivingBack, Patience
from consumers.processing import processing
from consumers.querysets import AttemptQuerySet, InboxQuerySet, attempts, inbox
from consumers.received import Received, event_of
from consumers.registry import Handler
from consumers.results import CRASHED, Dangerous, Dead, Failed, GivenBack, Handled, Result, dead, name_of, where
from consumers.retry import Bury, decide
from publisher.atomicity import commit_each_statement
from publisher.wire.event import Event
from publisher.wire.ids import told
from publisher.wire.origin import originating
from publisher.wire.printable import printable

logger = logging.getLogger("consumers.worker")

# Before an event of a batch that failed as a whole is tried by itself, where no attempt was to follow.
ALONE_SECONDS = 1.0


class Handling:
    """A handler and its subscription's state. Without a database, what needs one is left out."""

    def __init__(self, handler: Handler, subscription: str, *, stop: Flag, has_database: bool = True) -> None:
        self.handler = handler
        self.subscription = subscription
        self.call = Call(handler)
        self.has_database = has_database
        self.has_inbox = handler.inbox and has_database
        self.using = router.db_for_write(InboxEvent) if has_database else ""
        self.processing = processing(subscription)
        self._patience = Patience(self.using, stop, needs_inbox=self.has_inbox)

    def __call__(self, received: Received) -> Result:
        """Raises nothing: what the handler raises is decided upon."""
        result = self.beside_others(received)
        return self.alone(received) if isinstance(result, Dangerous) else result

    def alone(self, received: Received) -> Result:
        """The same for one that is dangerous beside others."""
        began = datetime.now(UTC)
        try:
            return self._suspect(event_of(received), received, began)
        except GivingBack:
            return GivenBack()
        except BaseException as exc:
            return self.failed(exc, received)

    def beside_others(self, received: Received) -> Result | Dangerous:
        """The same, unless it is dangerous."""
        began = datetime.now(UTC)
        try:
            event = event_of(received)
            if not self.call.takes(event):
                return Handled(event=None, began=began)
            if received.is_suspect and self.has_database:
                self._let_others_end(event)
                return Dangerous() if self._is_dangerous(event) else self._suspect(event, received, began)
            if self.handler.ordered and self.has_database:
                return self._in_order(event, received, began)
            return self._handle(event, began)
        except GivingBack:
            return GivenBack()
        except BaseException as exc:  # a handler may call sys.exit()
            return self.failed(exc, received)

    def together(self, batch: Sequence[Received]) -> list[Result]:
        """A batch handler's deliveries: in one transaction, each with a result of its own."""
        began = datetime.now(UTC)
        results: list[Result] = []
        events: list[Event | None] = []
        for received in batch:
            event, result = self._decoded(received, began)
            events.append(event)
            results.append(result)
        called = [event for event in events if event is not None]
        try:
            failures, failed = self._batch_failures(called), self.failed
        except GivingBack:
            return [result if event is None else GivenBack() for event, result in zip(events, results, strict=True)]
        except BaseException as exc:
            failures = {event.id: exc for event in called}
            failed = self.failed if len(called) == 1 else self._failed_with_others
        for n, (event, received) in enumerate(zip(events, batch, strict=True)):
            if event is not None and (failure := failures.get(event.id)) is not None:
                results[n] = failed(failure, received)
        return results

    def failed(self, exc: BaseException, received: Received) -> Result:
        decision = decide(received.attempt, exc, self.handler.retry)
        if isinstance(decision, Bury):
            return dead(decision.reason, exc, received, self.handler.name)
        return Failed(received=received, after=decision.after, exception=name_of(exc), where=where(exc))

    def _failed_with_others(self, exc: BaseException, received: Received) -> Result:
        """It may have been another one of the batch: none is given up before it was tried by itself."""
        result = self.failed(exc, received)
        if isinstance(result, Dead) and not isinstance(exc, OnCommitFailed):
            return Failed(received=received, after=ALONE_SECONDS, exception=name_of(exc), where=where(exc))
        return result

    def _handle(self, event: Event, began: datetime, *, is_noted: bool = False) -> Handled:
        """`is_noted`: there is a count of its starts, which is over then."""
        # Around the transaction: what waits for the commit is caused by the event as well.
        with self.processing.one(event):
            is_new = self._patience.keep_trying(self._once, event, is_noted, tries=self._tries)
        if is_noted and (self._is_late or not self.has_inbox):
            self._ended(event)
        if not is_new:
            self._tell_of_before(event)
        return Handled(event=event if is_new else None, began=began)

    def _tell_of_before(self, event: Event) -> None:
        with originating(event):
            logger.info("handled before event=%s%s handler=%s", printable(event.id), told(event), self.handler.name)

    def _once(self, event: Event, is_noted: bool) -> bool:
        """Whether it was handled now, rather than before."""
        if not self.has_inbox:
            self._call(event)
            return True
        if self._is_late:
            return self._once_late(event)
        with effect(self.using):
            is_new = self._inbox.admit(self.subscription, event)
            if is_new:
                self._call(event)
                self._check_committable(event)
            if is_noted:
                self._attempts.end(self.subscription, event)
            return is_new

    def _once_late(self, event: Event) -> bool:
        """The same, with the inbox's row last: whoever called it twice at once finds it there, and rolls back."""
        if self._inbox.has(self.subscription, event):
            return False
        with effect(self.using, late_lock):
            self._call(event)
            check_committable(self.using)
            is_new = self._inbox.admit(self.subscription, event)
            transaction.set_rollback(not is_new, using=self.using)
            return is_new

    def _check_committable(self, event: Event) -> None:
        """Raises HandlerRolledBack; also where the whole was undone behind Django's back, the row of this event too."""
        check_committable(self.using)
        if may_have_ended(self.using) and not self._inbox.has(self.subscription, event):
            raise rolled_back(self.using)

    def _call(self, event: Event) -> None:
        if not self.handler.batch:
            self.call(event)
        elif exc := self._batch_call([event]).get(event.id):
            raise exc

    def _let_others_end(self, event: Event) -> None:
        """Another process may be at it still, whose connection was lost: it did not die, and holds the inbox's row.

        Not while nobody else may begin, nor as a start that counts.
        """
        if self.has_inbox and not self._is_late:
            self._patience.keep_trying(self._look_for_others, event)

    def _look_for_others(self, event: Event) -> None:
        with effect(self.using):
            self._inbox.admit(self.subscription, event)
            transaction.set_rollback(True, using=self.using)

    def _is_dangerous(self, event: Event) -> bool:
        """Most that come again are innocent: one that did not end the first start that was noted is begun alone."""
        unended = self._patience.keep_trying(self._attempts.unended, self.subscription, event)
        return 2 + unended >= min(3, self._most)

    @property
    def _tries(self) -> int:
        """Calls in one attempt: without the inbox nothing undoes what the first one did before it raised."""
        return TRIES if self.has_inbox else 1

    @property
    def _most(self) -> int:
        """Starts. Nobody knows of the first one: there is another, which is noted, however few attempts there are."""
        return max(self.handler.retry.attempts, 2)

    def _suspect(self, event: Event, received: Received, began: datetime) -> Result:
        """An event that was given out before: whoever had it may have died of it, so each start is noted down first.

        Just before it, and not while it waits to be alone: who dies of another one meanwhile has not begun.
        """
        # The first time it was no suspect.
        begun = 1 + self._patience.keep_trying(self._attempts.begin, self.subscription, event)
        if begun > self._most:
            self._ended(event)
            exc = HandlerKilledItsProcess(f"{begun - 1} times begun, never ended")
            return dead(CRASHED, exc, replace(received, attempt=begun - 1), self.handler.name)
        try:
            return self._handle(event, began, is_noted=True)
        except GivingBack:
            raise
        except BaseException as exc:
            if self.handler.ordered:
                received = replace(received, attempt=max(received.attempt, begun))
                return self._failed_in_order(exc, event, received, is_noted=True)
            self._ended(event)
            return self.failed(exc, received)

    def _in_order(self, event: Event, received: Received, began: datetime) -> Result:
        """Of an ordered handler: it stays where it is between attempts; the next process that has it goes on counting.

        So those that failed are noted from the second one on: of a first start it is known anyway.
        """
        is_noted = received.attempt > 2
        try:
            return self._handle(event, began, is_noted=is_noted)
        except GivingBack:
            raise
        except BaseException as exc:
            return self._failed_in_order(exc, event, received, is_noted=is_noted)

    def _failed_in_order(self, exc: BaseException, event: Event, received: Received, *, is_noted: bool) -> Result:
        result = self.failed(exc, received)
        if not isinstance(result, Failed):
            if is_noted:
                self._ended(event)
        elif is_noted or received.attempt > 1:
            self._patience.keep_trying(self._attempts.note, self.subscription, event, received.attempt - 1)
        return result

    def _ended(self, event: Event) -> None:
        self._patience.keep_trying(self._attempts.end, self.subscription, event)

    @property
    def _is_late(self) -> bool:
        return self.handler.late_inbox and has_one_writer(self.using)

    def _decoded(self, received: Received, began: datetime) -> tuple[Event | None, Result]:
        try:
            event = event_of(received)
            if not self.call.takes(event):
                return None, Handled(event=None, began=began)
            return event, Handled(event=event, began=began)
        except Exception as exc:
            return None, self.failed(exc, received)

    def _batch_failures(self, events: Sequence[Event]) -> Mapping[str, BaseException]:
        """What went wrong with some of them, by event id. Raises what went wrong with all."""
        if not events:
            return {}
        with self.processing.together(events):
            return self._patience.keep_trying(self._batch_once, events, tries=self._tries)

    def _batch_once(self, events: Sequence[Event]) -> Mapping[str, BaseException]:
        if not self.has_inbox:
            return self._batch_call(events)
        new: list[Event] = []
        before: list[Event] = []
        failures: Mapping[str, BaseException] = {}
        try:
            with effect(self.using):
                for event in events:
                    (new if self._inbox.admit(self.subscription, event) else before).append(event)
                failures = self._batch_call(new) if new else {}
                if new:
                    self._check_committable(new[0])
                if failures:
                    # What the handler did for the others commits; these are tried again.
                    self._inbox.forget(self.subscription, [event for event in new if event.id in failures])
        except OnCommitFailed as exc:
            self.processing.partly_failed(exc)
            failures = {**{event.id: exc for event in new}, **failures}
        for event in before:
            self._tell_of_before(event)
        return failures

    def _batch_call(self, events: Sequence[Event]) -> Mapping[str, BaseException]:
        blocks = open_blocks()
        try:
            self.call.together(events)
        except BatchFailed as report:
            if len(events) > 1 and report.left_a_block(blocks):
                raise BatchUndone from report
            if unknown := report.failures.keys() - {event.id for event in events}:
                raise LookupError(
                    f"BatchFailed names what is no id of an event of the batch: {min(unknown)!r}"
                ) from report
            self.processing.partly_failed(report)
            for exc in report.failures.values():
                # One that was made and never raised has come from where it is reported.
                exc.__traceback__ = exc.__traceback__ or report.__traceback__
            return report.failures
        return {}

    @property
    def _inbox(self) -> InboxQuerySet:
        return inbox(self.using)

    @property
    def _attempts(self) -> AttemptQuerySet:
        commit_each_statement(self.using)
        return attempts(self.using)
