"""The handlers of this process: what `@receiver` and `@subscribe` leave behind."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from django.dispatch import Signal
from django.utils.inspect import func_accepts_kwargs

from consumers.coroutines import NO_GENERATOR, yields
from consumers.exceptions import HandlerNameTaken
from consumers.retry import Backoff
from publisher.hints import near
from publisher.wire.routing import KEY_BYTES
from publisher.wire.topology import dead_queue

Instance = Literal["sent", "fresh"]
SOFT_SECONDS = 900.0
NAME_BYTES = 100
# AMQP's prefetch has 16 bits; of a batch handler's events two batches are taken ahead.
MOST_AHEAD = 65_535
MOST_IN_BATCH = MOST_AHEAD // 2

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Handler:
    """A function and what it handles: events under `patterns`, or those of `signals` sent by `sender`.

    `batch` is how many events it gets at once, 0 for one at a time by itself. The limits are on one call.
    """

    name: str
    function: Callable[..., Any]
    patterns: tuple[str, ...] = ()
    signals: tuple[Signal, ...] = ()
    sender: type | str | None = None
    retry: Backoff = field(default_factory=Backoff)
    inbox: bool = True
    # Written after the call, where one writer keeps all others waiting: for receivers that were not written for it.
    late_inbox: bool = False
    ordered: bool = False
    instance: Instance = "sent"
    batch: int = 0
    batch_seconds: float = 0.5
    soft_seconds: float = SOFT_SECONDS
    hard_seconds: float | None = None
    # Whoever sends waits for what it returns.
    ask: bool = False
    # Not called for what this service sent.
    ignore_own: bool = False

    def __post_init__(self) -> None:
        if not self.name or len(self.name.encode()) > NAME_BYTES:
            raise ValueError(f"a handler's name is its queue's: 1 to {NAME_BYTES} bytes, not {self.name!r}")
        if self.instance not in ("sent", "fresh"):
            raise ValueError(f"instance is 'sent' or 'fresh', not {self.instance!r}")
        if not isinstance(self.batch, int) or not 0 <= self.batch <= MOST_IN_BATCH or not _is_limit(self.batch_seconds):
            raise ValueError(
                f"batch is a number of events up to {MOST_IN_BATCH}, and batch_seconds a time to wait for them, "
                f"not {self.batch!r} and {self.batch_seconds!r}"
            )
        if (longest := max((len(pattern.encode()) for pattern in self.patterns), default=0)) > KEY_BYTES:
            raise ValueError(f"a pattern has at most {KEY_BYTES} bytes, as a key has, and not {longest} bytes")
        if not isinstance(self.retry, Backoff):
            raise TypeError(f"retry is a Backoff, as in retry=Backoff(delays=(5, 60)), not {self.retry!r}")
        if not _is_limit(self.soft_seconds) or not (self.hard_seconds is None or _is_limit(self.hard_seconds)):
            raise ValueError(f"limits are seconds, more than 0, not {self.soft_seconds!r} and {self.hard_seconds!r}")
        if self.batch and self.ordered:
            raise ValueError("a batch is handled together: it cannot be ordered by key as well")
        if self.ask and (self.ordered or self.batch or self.patterns):
            raise ValueError("who asks waits for an answer to one signal: no order, no batch, no patterns")
        if self.ask and self.ignore_own:
            raise ValueError("who asks waits for an answer: ignore_own would leave the service's own questions without")

    @property
    def path(self) -> str:
        return f"{self.function.__module__}.{self.function.__qualname__}"


def _is_limit(seconds: object) -> bool:
    return isinstance(seconds, int | float) and seconds > 0


class Options(TypedDict, total=False):
    """What both decorators take beside what they are about; see Handler."""

    name: str
    retry: Backoff
    inbox: bool
    ordered: bool
    soft_seconds: float
    hard_seconds: float | None
    ignore_own: bool


_handlers: dict[str, Handler] = {}


def receiver(
    signal: Signal | list[Signal] | tuple[Signal, ...],
    *,
    sender: type | str | None = None,
    instance: Instance = "sent",
    ask: bool = False,
    weak: bool = True,
    dispatch_uid: object = None,
    **options: Unpack[Options],
) -> Callable[[Function], Function]:
    """A receiver like any other, but out of process: called with `(sender, signal, **kwargs)` as they were sent.

    `sender` is a model, its label (`"blog.Comment"`) or None for all. The kwargs have `event` beside those of the
    signal. `instance` is the model as it was sent, or with `"fresh"` as it is now (a handler is not called for a row
    that is gone). With `ask`, what the function returns is the answer to whoever sends: for rules that deliver so.
    The queue is called after the function, or `name`. `weak` and `dispatch_uid` may stay where Django's decorator had
    them: a handler is held, and is connected once. Raises HandlerNameTaken.
    """
    _check_options(options)
    signals = tuple(signal) if isinstance(signal, list | tuple) else (signal,)
    if not signals:
        raise TypeError("@receiver names no signal: write @receiver(post_save)")
    if not all(isinstance(each, Signal) for each in signals):
        raise TypeError(f"signals are django.dispatch.Signal, as in @receiver(post_save), not {signal!r}")

    def register(function: Function) -> Function:
        _check_yields_nothing(function)
        if not func_accepts_kwargs(function):
            raise TypeError(
                f"{function.__qualname__} has to take **kwargs, as every receiver: it gets `event`, for one"
            )
        if next(iter(inspect.signature(function).parameters), "") == "self":
            raise TypeError(f"{function.__qualname__} is a method, and there is no instance to call it on")
        made = {"name": function.__name__, **options}
        _add(Handler(function=function, signals=signals, sender=sender, instance=instance, ask=ask, **made))  # type: ignore[arg-type]
        return function

    return register


def subscribe(
    *patterns: str, batch: int = 0, batch_seconds: float = 0.5, **options: Unpack[Options]
) -> Callable[[Function], Function]:
    """Handle by routing key: `db.*.blog.comment`, `auth.#`. The function gets the Event. Raises HandlerNameTaken.

    With `batch`, it gets a list of up to so many, or of those that came within `batch_seconds`.
    """
    _check_options(options)
    if not patterns:
        raise TypeError('@subscribe names no pattern: write @subscribe("auth.#"), or "#" for all events')
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(f'patterns are text, as in @subscribe("auth.#"), not {patterns!r}')

    def register(function: Function) -> Function:
        _check_yields_nothing(function)
        if not _takes_one(function):
            what = "a list of events" if batch else "an event"
            raise TypeError(f"{function.__qualname__} is called with {what} and nothing else")
        made = {"name": function.__name__, **options}
        _add(Handler(function=function, patterns=patterns, batch=batch, batch_seconds=batch_seconds, **made))  # type: ignore[arg-type]
        return function

    return register


def _check_options(options: Mapping[str, object]) -> None:
    """Raises TypeError, where Python's own would name a class that nobody knows."""
    for name in options:
        if name not in Options.__annotations__:
            only = " only @subscribe takes events in batches;" if name.startswith("batch") else ""
            raise TypeError(f"there is no option {name!r}:{only} {near(name, Options.__annotations__)}")


def _check_yields_nothing(function: Callable[..., Any]) -> None:
    if yields(function):
        raise TypeError(f"{function.__qualname__} {NO_GENERATOR}")


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    return True


def handlers() -> tuple[Handler, ...]:
    """All that are registered, in the order they were."""
    return tuple(_handlers.values())


def _add(handler: Handler) -> None:
    known = _handlers.get(handler.name)
    if known is not None and not _is_same(known, handler):
        raise HandlerNameTaken(
            f"{known.path} and {handler.path} are both called {handler.name!r}. {HandlerNameTaken.__doc__}"
        )
    for name in (handler.name, handler.name.removesuffix(".dead")):
        if {name, dead_queue(name)} <= {handler.name, *_handlers}:
            raise HandlerNameTaken(
                f"{dead_queue(name)!r} is where the dead letters of {name!r} are. {HandlerNameTaken.__doc__}"
            )
    _handlers[handler.name] = handler


def _is_same(one: Handler, other: Handler) -> bool:
    """The same function again: a module imported twice, as `python -m` does under the name `__main__`."""
    modules = {one.function.__module__, other.function.__module__}
    is_module_same = len(modules) == 1 or "__main__" in modules
    is_name_same = one.function.__qualname__ == other.function.__qualname__
    return is_module_same and is_name_same and _place(one.function) == _place(other.function)


def _place(function: Callable[..., Any]) -> tuple[str, int] | None:
    """Two functions of one name in one file are two: the second has taken the name of the first."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return None if code is None else (code.co_filename, code.co_firstlineno)
