"""One delivery to one handler: decode it, call the handler once in effect, and decide the outcome. Knows no broker."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from threading import Event as Flag

from msgspec.structs import replace

from consumers.exceptions import HandlerKilledItsProcess, OnCommitFailed, Retry
from consumers.handler import Handler
from consumers.handling.calling import Call
from consumers.handling.failures import tell
from consumers.handling.once import HandledByAnother, Once
from consumers.handling.patience import GivingBack
from consumers.handling.places import place_of
from consumers.handling.received import Received, event_of
from consumers.handling.results import (
    CRASHED,
    AtAnother,
    Dangerous,
    Dead,
    Failed,
    GivenBack,
    Handled,
    Result,
    dead,
    name_of,
)
from consumers.retry import Bury, decide, said_by
from publisher.wire.event import Event

# If a batch failed as a whole, an event that has no attempts left is tried by itself after this pause.
ALONE_SECONDS = 1.0


class Handling:
    """Handles deliveries of one subscription. Without a database there is no inbox, and starts are not counted."""

    def __init__(self, handler: Handler, subscription: str, *, stop: Flag, has_database: bool = True) -> None:
        self.handler = handler
        self.subscription = subscription
        self.call = Call(handler)
        self._has_database = has_database
        self._once = Once(self.call, subscription, stop=stop, has_database=has_database)
        self._starts = self._once.starts

    @property
    def sets_apart(self) -> bool:
        """Whether redelivered events are handled apart from others: alone in the process, or not in a batch."""
        return bool(self.handler.batch) or (self._has_database and self._starts.are_all_dangerous)

    def __call__(self, received: Received) -> Result:
        """Handle a delivery. Raises nothing: an exception decides the outcome."""
        result = self.beside_others(received)
        return self.alone(received) if isinstance(result, Dangerous) else result

    def alone(self, received: Received) -> Result:
        """Handle a delivery that may kill the process. The caller sees to it that no other handler runs meanwhile."""
        return self._became(received, is_alone=True)

    def beside_others(self, received: Received) -> Result:
        """Handle a delivery while others may run. If it may kill the process, the handler is not called: Dangerous."""
        return self._became(received, is_alone=False)

    def _became(self, received: Received, *, is_alone: bool) -> Result:
        began = datetime.now(UTC)
        try:
            event = event_of(received)
            if not self.call.takes(event):
                return Handled(event=None, began=began)
            if received.is_suspect and self._has_database:
                if self._once.is_at_another(event):
                    return AtAnother()
                if not is_alone and self._starts.are_dangerous(event):
                    return Dangerous()
                return self._suspect(event, received, began)
            if self.handler.ordered and self._has_database:
                return self._in_order(event, received, began)
            return self._handle(event, began)
        except BaseException as exc:  # a handler may call sys.exit()
            return self._ended_by(exc, received)

    def together(self, batch: Sequence[Received]) -> list[Result]:
        """Handle these deliveries in one call, and one transaction. Each has an outcome of its own."""
        began = datetime.now(UTC)
        results: list[Result] = []
        # By index in the batch.
        called: dict[int, Event] = {}
        by_themselves: list[int] = []
        ids: set[str] = set()
        for n, received in enumerate(batch):
            event, result = self._decoded(received, began)
            results.append(result)
            if event is None:
                continue
            if event.id in ids or self._once.is_here(event):
                # BatchFailed names events by id. It could not tell apart two events with one id, as from two sources.
                by_themselves.append(n)
            else:
                ids.add(event.id)
                called[n] = event
        for n, result in self._called_together(called, batch, began):
            results[n] = result
        for n in by_themselves:
            results[n] = self.beside_others(batch[n])
        return results

    def _called_together(
        self, called: dict[int, Event], batch: Sequence[Received], began: datetime
    ) -> Iterator[tuple[int, Result]]:
        """Call the handler with these events. Yields the index and the outcome of each that it did not handle now."""
        if not called:
            return
        try:
            (failures, before), failed = self._once.together(list(called.values())), self.failed
        except GivingBack:
            yield from ((n, GivenBack()) for n in called)
            return
        except BaseException as exc:
            failures, before = {event.id: exc for event in called.values()}, frozenset()
            failed = self.failed if len(called) == 1 else self._failed_with_others
        for n, event in called.items():
            if (failure := failures.get(event.id)) is not None:
                yield n, failed(failure, batch[n])
            elif event.id in before:
                yield n, Handled(event=None, began=began)

    def _ended_by(self, exc: BaseException, received: Received) -> Result:
        if isinstance(exc, GivingBack):
            return GivenBack()
        if isinstance(exc, HandledByAnother):
            return AtAnother()
        return self.failed(exc, received)

    def failed(self, exc: BaseException, received: Received) -> Result:
        return self._told(exc, received, self._decided(exc, received))

    def _told(self, exc: BaseException, received: Received, result: Result) -> Result:
        exc = said_by(exc)
        # A Retry is no failure, unless no attempt is left.
        if not (isinstance(exc, Retry) and isinstance(result, Failed)):
            # A handler that is asked has one attempt, and no dead letters.
            tell(exc, received, self.handler.name, is_dead=not isinstance(result, Failed))
        return result

    def _decided(self, exc: BaseException, received: Received) -> Result:
        exc = said_by(exc)
        decision = decide(received.attempt, exc, self.handler.retry)
        place = place_of(exc, self.handler.function)
        if isinstance(decision, Bury):
            return dead(decision.reason, exc, received, self.handler.name, place=place)
        return Failed(received=received, after=decision.after, exception=name_of(exc), where=place)

    def _failed_with_others(self, exc: BaseException, received: Received) -> Result:
        """The outcome for one event of a batch that failed as a whole. Another event may be the cause, so it is tried
        alone before it becomes a dead letter.
        """
        result = self._decided(exc, received)
        if isinstance(result, Dead) and not isinstance(exc, OnCommitFailed):
            place = place_of(exc, self.handler.function)
            result = Failed(received=received, after=ALONE_SECONDS, exception=name_of(exc), where=place)
        return self._told(exc, received, result)

    def _handle(self, event: Event, began: datetime, *, is_counted: bool = False) -> Handled:
        is_new = self._once.one(event, is_counted=is_counted)
        return Handled(event=event if is_new else None, began=began)

    def _suspect(self, event: Event, received: Received, began: datetime) -> Result:
        """Handle a redelivered event. It may have killed a process, so its start is counted in the database first.

        The start is counted just before the call, not while the event waits to be alone: meanwhile another event may
        kill the process.
        """
        is_known = self.handler.ordered and self._starts.are_known(event)
        begun = self._starts.begin(event)
        if begun > self._starts.most:
            self._starts.end(event)
            exc = HandlerKilledItsProcess(f"{begun - 1} times begun, never ended")
            received = replace(received, attempt=begun - 1)
            return self._told(exc, received, dead(CRASHED, exc, received, self.handler.name))
        try:
            return self._handle(event, began, is_counted=True)
        except GivingBack:
            raise
        except HandledByAnother:
            # The other process lives, so the event has not killed it.
            self._starts.end(event)
            raise
        except BaseException as exc:
            if self.handler.ordered:
                if is_known:
                    received = replace(received, attempt=max(received.attempt, begun))
                # Else the first start is an assumption: the event may only have waited in its lane.
                return self._failed_in_order(exc, event, received, is_counted=True)
            self._starts.end(event)
            return self.failed(exc, received)

    def _in_order(self, event: Event, received: Received, began: datetime) -> Result:
        """Handle an event of an ordered handler. Between attempts it stays in its queue, so no header can count them.

        The database counts them, for the process that gets the event next. That the event is redelivered then does not
        show that it was begun: events that waited behind it in its lane are redelivered, too.
        """
        is_counted = received.attempt > 1
        try:
            return self._handle(event, began, is_counted=is_counted)
        except (GivingBack, HandledByAnother):
            raise
        except BaseException as exc:
            return self._failed_in_order(exc, event, received, is_counted=is_counted)

    def _failed_in_order(self, exc: BaseException, event: Event, received: Received, *, is_counted: bool) -> Result:
        result = self.failed(exc, received)
        if isinstance(result, Failed):
            self._starts.note(event, received.attempt)
        elif is_counted:
            self._starts.end(event)
        return result

    def _decoded(self, received: Received, began: datetime) -> tuple[Event | None, Result]:
        try:
            event = event_of(received)
            if not self.call.takes(event):
                return None, Handled(event=None, began=began)
            return event, Handled(event=event, began=began)
        except Exception as exc:
            return None, self.failed(exc, received)
