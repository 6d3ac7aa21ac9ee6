"""What a handler may raise, and the errors about handlers. Their docstrings are shown to users."""

from collections.abc import Mapping
from datetime import timedelta

from consumers.blocks import open_blocks
from publisher.rule_entry import is_wait


class ConsumersError(Exception):
    """Root of the errors of this package."""


class HandlerNameTaken(ConsumersError):
    """Two handlers would share one queue. Give one of them another name: `@receiver(..., name="other")`."""


class NamelessSignal(ConsumersError):
    """No module of an installed app, or of a package that it needs, holds this signal, so it has no name.

    Assign it to a name at the top of a module, as in `order_placed = Signal()`.
    """


class UnknownHandler(ConsumersError):
    """There is no handler of that name. `manage.py consume --list` lists the handlers."""


class LettersOfSeveral(ConsumersError):
    """Say with `--handler NAME` which handler is meant."""


class InboxAway(ConsumersError):
    """The inbox cannot say whether the event was handled; the message says why, and in which database."""


class BindingsUnknown(ConsumersError):
    """The bindings could not be read from the console's API, and AMQP cannot list them; the message says why."""


class NotRetirable(ConsumersError):
    """The queue is not left over, cannot be taken over by that handler, or is not empty; the message says why."""


class HandlersNotImportable(ConsumersError):
    """A module with handlers cannot be imported. `manage.py check` says which, and why."""


class HandlerKilledItsProcess(ConsumersError):
    """Each time the handler was called with this event, its process ended. Look for a crash, or a lack of memory."""


class HandlerRolledBack(ConsumersError):
    """The handler caught a database error outside a savepoint, closed its connection, or left a transaction of its own
    open: nothing it wrote can commit.

    Put `with transaction.atomic():` around the statement that may fail.
    """


class FailureSwallowed(ConsumersError):
    """HANDLER_CONTEXT swallowed what the handler raised, so the event would have counted as handled.

    Let it pass: in a function with @contextmanager, write `try: yield` with a `finally:`, or end `except:` by `raise`.
    """


class OnCommitFailed(ConsumersError):
    """What the handler wrote is committed, but a callback of `on_commit` raised; those after it were not called.

    A replay would not call them either, since the inbox has the event: do what is missing by hand, then discard this
    letter.
    """


class NotBound(ConsumersError):
    """The broker would not bring this event to this handler. Look at the handler's signals, sender or patterns."""


class InstanceGone(ConsumersError):
    """The handler asked for the row as it is now (instance="fresh"), and the row is gone."""


class ReceiverGone(ConsumersError):
    """The offloaded receiver is gone from this process: it was connected weakly, and nothing else held it."""


class NotRehearsable(ConsumersError):
    """This statement would end the transaction, so it was not run. The rehearsal ends here, and is rolled back."""


class TooManyHops(ConsumersError):
    """Handlers send events that call handlers again: break the circle, for example with `ignore_own=True`.

    If a chain of events may be this long, raise SIGNAL_BRIDGE["MAX_HOPS"] and replay.
    """


class BatchFailed(ConsumersError):
    """Raised in a batch handler: the events with these ids failed. The handler's work for the others stays."""

    def __init__(self, failures: Mapping[str, BaseException]) -> None:
        if not _is_report(failures):
            raise TypeError("BatchFailed takes a mapping of event ids to exceptions, one at least, as {event.id: exc}")
        super().__init__(f"{len(failures)} events of the batch failed")
        self.failures = failures
        self._blocks = open_blocks()

    def left_a_block(self, blocks: Mapping[str, int]) -> bool:
        """Whether it was raised inside an `atomic()` block that was not open yet when `blocks` were counted.

        Leaving that block by an exception has rolled back the work for the other events, too.
        """
        return any(depth > blocks.get(alias, 0) for alias, depth in self._blocks.items())


class BatchUndone(ConsumersError):
    """BatchFailed was raised within `atomic()`, which rolled back the handler's work for the whole batch.

    Raise BatchFailed outside of the block, and not in a handler that is decorated with `atomic`. All events are tried
    again, one by one.
    """


class HandlerTooSlow(BaseException):
    """The handler ran longer than its hard limit, and was ended.

    Like KeyboardInterrupt it is no Exception: it may be raised at any line, and `except Exception` would swallow it.
    """

    def __str__(self) -> str:
        return "The handler ran longer than its hard limit, and was ended."


class Reject(ConsumersError):
    """Raised in a handler: the event can never be handled. It becomes a dead letter at once, with the reason given."""


class Retry(ConsumersError):
    """Raised in a handler: try again later. `after` is the pause until then, in seconds or as a timedelta."""

    def __init__(self, reason: str = "", *, after: float | timedelta | None = None) -> None:
        super().__init__(reason)
        seconds = after.total_seconds() if isinstance(after, timedelta) else after
        if seconds is not None and not is_wait(seconds):
            raise ValueError(f"Retry's after is a number of seconds, or a timedelta, from 0 to a year, not {after!r}")
        self.after = seconds


def _is_report(failures: object) -> bool:
    return (
        isinstance(failures, Mapping)
        and bool(failures)
        and all(isinstance(id, str) and isinstance(exc, BaseException) for id, exc in failures.items())
    )
