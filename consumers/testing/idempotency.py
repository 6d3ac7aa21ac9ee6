"""The assertion that a handler's effect is the same if its events come twice, in another order, or after a crash."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from django.apps import apps
from django.db import connections, models, router, transaction

from consumers.coroutines import callable_of
from consumers.dead_letters.statements import is_write
from consumers.handler import Handler
from consumers.models import InboxEvent
from consumers.testing.delivery import AnyHandler, addressed, deliver_batch, handler_of, in_batches
from publisher.rules import OWN_APPS
from publisher.wire.event import Event

SHOWN_ROWS = 5
# Stands in place of the number of the write after which the process dies.
BEFORE_COMMIT = -1


class ProcessDied(BaseException):
    """Stands for the end of the process. No Exception, so that a handler does not catch it."""


def assert_idempotent(
    handler: AnyHandler,
    *events: Event,
    state: Callable[[], Any] | None = None,
    reset: Callable[[], object] = lambda: None,
) -> None:
    """Deliver the events once, then in other ways, and compare the effects.

    The other ways: each event twice; all events again; in reverse order (not for an ordered handler); and again after
    the process died, after each of the handler's writes or just before the commit. All runs are rolled back, on all
    databases. The effect is the content of the handler's database, without generated ids and times. For effects
    elsewhere, give `state()`, which returns what to compare, and `reset()`, which is called before each run. Raises
    AssertionError, which names the way and the difference, and ValueError if there are no events.
    """
    if not events:
        raise ValueError("Name the events: a handler that nothing comes to is idempotent, whatever it does.")
    trial = _Trial(handler_of(handler), state, reset)
    once = trial.deliveries(events)
    expected, writes = trial.run("each event comes once", once)
    for title, order in _ways(events, is_ordered=trial.handler.ordered):
        trial.check(expected, title, trial.deliveries(order))
    for number, count in enumerate(writes):
        for write in range(1, count + 1):
            title = f"the process dies after write {write} of {count} of delivery {number + 1}, which comes again"
            trial.check(expected, title, once, dies_at=(number, write))
        if trial.handler.inbox:
            title = f"the process dies before the commit of delivery {number + 1}, which comes again"
            trial.check(expected, title, once, dies_at=(number, BEFORE_COMMIT))


def _ways(events: Sequence[Event], *, is_ordered: bool) -> Iterator[tuple[str, list[Event]]]:
    yield "each event comes twice", [event for event in events for _ in range(2)]
    yield "all events come again", [*events, *events]
    if len(events) > 1 and not is_ordered:
        yield "the events come in reverse", [*reversed(events)]


class _Trial:
    """Delivers events in a transaction, reads the state, and rolls back."""

    def __init__(self, handler: Handler, state: Callable[[], Any] | None, reset: Callable[[], object]) -> None:
        self.handler = handler
        self.using = router.db_for_write(InboxEvent)
        self._state = state or (lambda: rows(self.using))
        self._reset = reset

    def deliveries(self, events: Sequence[Event]) -> list[Sequence[Event]]:
        """The events as lists, one for each call."""
        return in_batches([addressed(self.handler, event) for event in events], self.handler)

    def check(self, expected: Any, title: str, deliveries: Sequence[Sequence[Event]], **death: Any) -> None:
        found, _ = self.run(title, deliveries, **death)
        if found != expected:
            raise AssertionError(f"{self.handler.name}: when {title},\n{difference(expected, found)}")

    def run(
        self, title: str, deliveries: Sequence[Sequence[Event]], *, dies_at: tuple[int, int] | None = None
    ) -> tuple[Any, list[int]]:
        """The state after these deliveries, and how many writes each of them made."""
        self._reset()
        with _rolled_back(self.using, may_be_durable=not self.handler.inbox):
            try:
                if dies_at is None:
                    counts = [self._deliver(delivery) for delivery in deliveries]
                else:
                    counts = self._deliver_and_die(deliveries, *dies_at)
            except Exception as exc:
                raise AssertionError(f"{self.handler.name}: when {title}, it raises {exc!r}") from exc
            state = self._state()
        return state, counts

    def _deliver_and_die(self, deliveries: Sequence[Sequence[Event]], number: int, write: int) -> list[int]:
        before, died, after = deliveries[:number], deliveries[number], deliveries[number + 1 :]
        # A worker gives the events of a batch one by one then: one of them may have killed it.
        again = [[event] for event in died]
        counts = [self._deliver(delivery) for delivery in before]
        # Not `suppress`, which looks into the ExceptionGroup of a TaskGroup only from Python 3.12 on.
        try:
            self._deliver(died, dies_after=write)
        except* ProcessDied:
            pass
        return [*counts, *(self._deliver(delivery) for delivery in (*again, *after))]

    def _deliver(self, events: Sequence[Event], *, dies_after: int = 0) -> int:
        """Deliver the events; the process dies after the write `dies_after`. Returns how many writes there were."""
        handler = _dying(self.handler) if dies_after == BEFORE_COMMIT else self.handler
        with _writes(self.using, dies_after) as count:
            deliver_batch(handler, events)
        return count()


def _dying(handler: Handler) -> Handler:
    """The same handler, whose process dies when its function has returned."""
    call = callable_of(handler.function, handler.hard_seconds)

    def function(*args: Any, **kwargs: Any) -> None:
        call(*args, **kwargs)
        raise ProcessDied

    return replace(handler, function=function)


@contextmanager
def _rolled_back(using: str, *, may_be_durable: bool) -> Iterator[None]:
    """Roll back on all databases, except those that the test may not use, or that are away.

    `may_be_durable` allows `atomic(durable=True)` on the handler's database, for a handler without an inbox.
    """
    entered = []
    with ExitStack() as stack:
        for alias in connections:
            block: Any = transaction.atomic(using=alias)
            # So that the handler can use `durable=True` where a worker opens no transaction for it.
            block._from_testcase = may_be_durable or alias != using
            try:
                stack.enter_context(block)
            except Exception:
                if alias == using:
                    raise
            else:
                entered.append(alias)
        yield
        for alias in entered:
            transaction.set_rollback(True, using=alias)


@contextmanager
def _writes(using: str, dies_after: int) -> Iterator[Callable[[], int]]:
    """Count the statements that write, and raise ProcessDied after so many of them; 0 stands for never."""
    count = 0

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        nonlocal count
        result = execute(sql, params, many, context)
        if is_write(sql):
            count += 1
            if count == dies_after:
                raise ProcessDied
        return result

    with connections[using].execute_wrapper(wrapper):
        yield lambda: count


def rows(using: str) -> dict[str, Counter[str]]:
    """The rows of each model's table, without generated values: ids, and the current time."""
    return {
        model._meta.label: Counter(map(repr, model._base_manager.using(using).values_list(*_columns(model, using))))
        for model in apps.get_models(include_auto_created=True)
        if _has_table(model, using) and not model._meta.proxy and model._meta.app_label not in OWN_APPS
    }


def _has_table(model: type[models.Model], using: str) -> bool:
    return model._meta.managed and router.allow_migrate_model(using, model)


def _columns(model: type[models.Model], using: str) -> list[Any]:
    """The columns to compare. A foreign key to a generated id is replaced by the columns of that row."""
    columns: list[Any] = _given(model)
    for link in _links(model):
        if _is_made_up(link) and _has_table(link.related_model, using):
            columns += [f"{link.name}__{name}" for name in _given(link.related_model)]
    # If all columns are generated, only count the rows.
    return columns or [models.Value("a row")]


def _given(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields if not _is_made_up(field)]


def _links(model: type[models.Model]) -> list[Any]:
    """The foreign keys, without those of multi-table inheritance: the parent's columns are among the model's own."""
    fields: Any = model._meta.concrete_fields
    return [field for field in fields if field.is_relation and not field.remote_field.parent_link]


def _is_made_up(field: Any) -> bool:
    if field.is_relation:
        return _is_made_up(field.target_field)
    return (
        isinstance(field, models.AutoField | models.BigAutoField | models.SmallAutoField)
        or bool(getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False))
        or _is_default_made_up(field)
    )


def _is_default_made_up(field: Any) -> bool:
    """Whether the default is generated, as by `timezone.now` or `uuid4`. One that makes a dict or a list is not."""
    if hasattr(field.db_default, "resolve_expression"):
        return not isinstance(field.db_default, models.Value)
    return field.has_default() and callable(field.default) and not isinstance(field.get_default(), dict | list)


def difference(expected: Any, found: Any) -> str:
    """What is too much and what is missing, table by table; both states if the test has a `state()` of its own."""
    if not isinstance(expected, dict) or not all(isinstance(rows, Counter) for rows in expected.values()):
        return f"  it is      {found!r}\n  instead of {expected!r}"
    lines = []
    for label, wanted in expected.items():
        for word, more in (("too much", found[label] - wanted), ("missing", wanted - found[label])):
            shown = list(more.elements())
            lines += [f"  {label}: {word}: {row}" for row in shown[:SHOWN_ROWS]]
            lines += [f"  {label}: and {len(shown) - SHOWN_ROWS} more"] if len(shown) > SHOWN_ROWS else []
    return "\n".join(lines)
