"""What a handler may raise, and what may be wrong with handlers."""

from collections.abc import Mapping
from datetime import timedelta

from consumers.blocks import open_blocks
from consumers.delays import is_wait


class ConsumersError(Exception):
    """Root of the errors of this package."""


class HandlerNameTaken(ConsumersError):
    """Two handlers would share one queue. Give one of them another name: `@receiver(..., name="other")`."""


class NamelessSignal(ConsumersError):
    """No module of an installed app, or of what it depends on, holds this signal, so it has no name to be sent under.

    Assign it to a name at the top of a module, as in `order_placed = Signal()`.
    """


class UnknownHandler(ConsumersError):
    """There is no handler of that name. `manage.py consume --list` shows those there are."""


class LettersOfSeveral(ConsumersError):
    """Say with `--handler NAME` which of them is meant."""


class InboxAway(ConsumersError):
    """The inbox cannot say whether the event was handled; the message says why, and in which database."""


class BindingsUnknown(ConsumersError):
    """AMQP does not tell what is bound to a queue, and the console did not; the message says why."""


class NotRetirable(ConsumersError):
    """The queue is not left over, cannot be taken over by that handler, or is not empty; the message says why."""


class HandlersNotImportable(ConsumersError):
    """A module with handlers cannot be imported. `manage.py check` says which, and why."""


class HandlerKilledItsProcess(ConsumersError):
    """The event was begun again and again, and the process ended each time. Look for a crash or a lack of memory."""


class HandlerRolledBack(ConsumersError):
    """The handler caught a database error outside a savepoint, closed its connection, or left a transaction of its own
    open: nothing it wrote can commit.

    Put `with transaction.atomic():` around the statement that may fail.
    """


class OnCommitFailed(ConsumersError):
    """The handler's effect is committed, but what it left to `on_commit` raised; what came after was not called.

    A replay does not call it either, since the inbox knows the event: do what is missing by hand, then discard this.
    """


class NotBound(ConsumersError):
    """The broker would not bring this event to this handler. Look at its signals, its sender or its patterns."""


class InstanceGone(ConsumersError):
    """The row that the event tells of is not there any more, and the handler asked for it as it is now."""


class ReceiverGone(ConsumersError):
    """The offloaded receiver was collected in this process: it was connected weakly, and nothing else held it."""


class NotRehearsable(ConsumersError):
    """On this database the statement ends the transaction: the rehearsal ends before it, and undoes the rest."""


class TooManyHops(ConsumersError):
    """Handlers send what calls handlers again: break the circle, for example with `ignore_own=True`.

    Where so long a chain is meant, raise SIGNAL_BRIDGE["MAX_HOPS"] and replay.
    """


class BatchFailed(ConsumersError):
    """Raised in a batch handler: these events failed, by event id with what was wrong; what it did for others stays."""

    def __init__(self, failures: Mapping[str, BaseException]) -> None:
        if not _is_report(failures):
            raise TypeError("BatchFailed takes a mapping of event ids to exceptions, one at least, as {event.id: exc}")
        super().__init__(f"{len(failures)} events of the batch failed")
        self.failures = failures
        self._blocks = open_blocks()

    def left_a_block(self, blocks: Mapping[str, int]) -> bool:
        """Whether it was made in an `atomic()` begun since: on its way out it undid what was done for others."""
        return any(depth > blocks.get(alias, 0) for alias, depth in self._blocks.items())


class BatchUndone(ConsumersError):
    """BatchFailed left a block of `atomic()`, which undid what the handler did for the other events of the batch.

    Raise it outside of the block, and not in a handler that is decorated with `atomic`. All are tried one by one.
    """


class HandlerTooSlow(BaseException):
    """The handler ran longer than its hard limit, and was ended.

    As KeyboardInterrupt it is no Exception: it comes at any step, once, and `except Exception` would lose it.
    """

    def __str__(self) -> str:
        return "The handler ran longer than its hard limit, and was ended."


class Reject(ConsumersError):
    """Raised in a handler: this event can never be handled. It goes to the dead letters at once, with the reason."""


class Retry(ConsumersError):
    """Raised in a handler: not now. `after` is the pause before the next attempt, in seconds or as a timedelta."""

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
