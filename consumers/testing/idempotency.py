"""One assertion: whatever way its events come, a handler's effect is that of each coming once, in order."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any

from django.apps import apps
from django.db import connections, models, router, transaction

from consumers.coroutines import callable_of
from consumers.dead_letters.statements import is_write
from consumers.handler import Handler
from consumers.models import InboxEvent
from consumers.testing.delivery import AnyHandler, addressed, deliver_batch, handler_of
from publisher.rules import OWN_APPS
from publisher.wire.event import Event

SHOWN_ROWS = 5
# In the place of a write's number: the handler has returned.
BEFORE_COMMIT = -1


class ProcessDied(BaseException):
    """Stands for the end of the process: nothing that a handler catches."""


def assert_idempotent(
    handler: AnyHandler,
    *events: Event,
    state: Callable[[], Any] | None = None,
    reset: Callable[[], object] = lambda: None,
) -> None:
    """The effect is the same when events come twice, in another order, or after their process died at any write, or
    just before the commit.

    Everything runs in transactions that are rolled back, on all databases. The effect is what the handler's database
    holds, but for ids and times that it makes up; or what `state()` answers, for effects elsewhere, with `reset()`
    called before each run. An ordered handler is not given another order. Raises AssertionError, which says how the
    events came, and what came of it.
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
    """Delivers in a transaction, looks at the state after that, and rolls it back."""

    def __init__(self, handler: Handler, state: Callable[[], Any] | None, reset: Callable[[], object]) -> None:
        self.handler = handler
        self.using = router.db_for_write(InboxEvent)
        self._state = state or (lambda: rows(self.using))
        self._reset = reset

    def deliveries(self, events: Sequence[Event]) -> list[list[Event]]:
        """What is delivered together: a batch handler gets a list."""
        events = [addressed(self.handler, event) for event in events]
        return [events] if self.handler.batch else [[event] for event in events]

    def check(self, expected: Any, title: str, deliveries: Sequence[list[Event]], **death: Any) -> None:
        found, _ = self.run(title, deliveries, **death)
        if found != expected:
            raise AssertionError(f"{self.handler.name}: when {title},\n{difference(expected, found)}")

    def run(
        self, title: str, deliveries: Sequence[list[Event]], *, dies_at: tuple[int, int] | None = None
    ) -> tuple[Any, list[int]]:
        """The state after these deliveries, and the writes that each made."""
        self._reset()
        with _rolled_back(self.using):
            try:
                if dies_at is None:
                    counts = [self._deliver(delivery) for delivery in deliveries]
                else:
                    counts = self._deliver_and_die(deliveries, *dies_at)
            except Exception as exc:
                raise AssertionError(f"{self.handler.name}: when {title}, it raises {exc!r}") from exc
            state = self._state()
        return state, counts

    def _deliver_and_die(self, deliveries: Sequence[list[Event]], number: int, write: int) -> list[int]:
        before, died, after = deliveries[:number], deliveries[number], deliveries[number:]
        counts = [self._deliver(delivery) for delivery in before]
        with suppress(ProcessDied):
            self._deliver(died, dies_after=write)
        return [*counts, *(self._deliver(delivery) for delivery in after)]

    def _deliver(self, events: list[Event], *, dies_after: int = 0) -> int:
        """How many writes there were."""
        handler = _dying(self.handler) if dies_after == BEFORE_COMMIT else self.handler
        with _writes(self.using, dies_after) as count:
            deliver_batch(handler, events)
        return count()


def _dying(handler: Handler) -> Handler:
    """The same, whose process dies once its function has returned."""
    call = callable_of(handler.function, handler.hard_seconds)

    def function(*args: Any, **kwargs: Any) -> None:
        call(*args, **kwargs)
        raise ProcessDied

    return replace(handler, function=function)


@contextmanager
def _rolled_back(using: str) -> Iterator[None]:
    """On all databases. One that this test may not use, or that is away, takes nothing either."""
    entered = []
    with ExitStack() as stack:
        for alias in connections:
            block: Any = transaction.atomic(using=alias)
            # On the handler's own database its worker has begun one; on others, its own may be the outermost.
            block._from_testcase = alias != using
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
    """Counts the statements that write; after so many of them (0: never) the process is as good as dead."""
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
    """What each model's table holds, but for what the database or Django makes up: ids, and times of now."""
    return {
        model._meta.label: Counter(map(repr, model._base_manager.using(using).values_list(*_columns(model, using))))
        for model in apps.get_models(include_auto_created=True)
        if _has_table(model, using) and not model._meta.proxy and model._meta.app_label not in OWN_APPS
    }


def _has_table(model: type[models.Model], using: str) -> bool:
    return model._meta.managed and router.allow_migrate_model(using, model)


def _columns(model: type[models.Model], using: str) -> list[Any]:
    """Those that are compared; in the place of a made-up id of another row, that row's."""
    columns: list[Any] = _given(model)
    for link in _links(model):
        if _is_made_up(link) and _has_table(link.related_model, using):
            columns += [f"{link.name}__{name}" for name in _given(link.related_model)]
    # Where all of a row is made up, what counts is that it is there.
    return columns or [models.Value("a row")]


def _given(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields if not _is_made_up(field)]


def _links(model: type[models.Model]) -> list[Any]:
    """To other rows, but for that of a child to its parent, whose columns it has."""
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
    """As `timezone.now` and `uuid4` are. A default that can be changed, as a dict, is a callable for that alone."""
    if hasattr(field.db_default, "resolve_expression"):
        return not isinstance(field.db_default, models.Value)
    return field.has_default() and callable(field.default) and not isinstance(field.get_default(), dict | list)


def difference(expected: Any, found: Any) -> str:
    """What is too much and what is missing, table by table; for a state of the test's own, both."""
    if not isinstance(expected, dict) or not all(isinstance(rows, Counter) for rows in expected.values()):
        return f"  it is      {found!r}\n  instead of {expected!r}"
    lines = []
    for label, wanted in expected.items():
        for word, more in (("too much", found[label] - wanted), ("missing", wanted - found[label])):
            shown = list(more.elements())
            lines += [f"  {label}: {word}: {row}" for row in shown[:SHOWN_ROWS]]
            lines += [f"  {label}: and {len(shown) - SHOWN_ROWS} more"] if len(shown) > SHOWN_ROWS else []
    return "\n".join(lines)
