"""The decorators `@receiver` and `@subscribe`, and the handlers that they have registered in this process."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from itertools import product
from typing import Any, TypedDict, TypeVar, Unpack

from django.dispatch import Signal

from consumers.coroutines import NO_GENERATOR, yields
from consumers.exceptions import HandlerNameTaken
from consumers.handler import Handler, Instance, Sender, triggers_of
from consumers.module_runs import ModuleRun, current_runs
from consumers.retry import Backoff
from publisher.hints import near
from publisher.wire.topology import dead_queue

Function = TypeVar("Function", bound=Callable[..., Any])


class Options(TypedDict, total=False):
    """Options of both decorators; see Handler."""

    name: str
    retry: Backoff
    inbox: bool
    ordered: bool
    concurrency: int | None
    soft_seconds: float
    hard_seconds: float | None
    ignore_own: bool


# Fields of a Handler that a second decorator over the same function adds to. All others have to be the same.
ADDED = frozenset(("triggers", "patterns", "runs"))

_handlers: dict[str, Handler] = {}


def receiver(
    signal: Signal | list[Signal] | tuple[Signal, ...],
    *,
    sender: Sender | Sequence[type | str] = None,
    instance: Instance = "sent",
    ask: bool = False,
    weak: bool = True,
    dispatch_uid: object = None,
    **options: Unpack[Options],
) -> Callable[[Function], Function]:
    """A receiver in another process. The function is called with the sender, the signal, the kwargs, and `event`.

    `sender` is a model, its label (`"blog.Comment"`), a list of these, or None for all. `instance="sent"` gives the
    function the instance as it was sent; `"fresh"` gives the row as it is now, and skips the call if the row is gone.
    With `ask`, what the function returns is the sender's answer; the signal's rule needs delivery "ask". The queue is
    named after the function, or after `name`. Several decorators over one function, with the same options, make one
    handler. `weak` and `dispatch_uid` of Django's decorator are accepted, and ignored. Raises HandlerNameTaken, and
    TypeError or ValueError for wrong options.
    """
    _check_options(receiver, options)
    signals = tuple(signal) if isinstance(signal, list | tuple) else (signal,)
    if not signals:
        raise TypeError("@receiver names no signal: write @receiver(post_save)")
    if not all(isinstance(each, Signal) for each in signals):
        raise TypeError(f"signals are django.dispatch.Signal, as in @receiver(post_save), not {signal!r}")
    triggers = triggers_of(signals, _senders(sender))

    def register(function: Function) -> Function:
        _check_function(function)
        if not _takes_kwargs(function):
            raise TypeError(f"{function.__qualname__} has to take **kwargs, like every receiver: among them is `event`")
        if next(iter(inspect.signature(function).parameters), "") == "self":
            raise TypeError(
                f"{function.__qualname__} is a method, and there is no instance to call it on: decorate a function"
            )
        made = {"name": function.__name__, **options}
        _add(Handler(function=function, triggers=triggers, instance=instance, ask=ask, runs=current_runs(), **made))  # type: ignore[arg-type]
        return function

    return register


def subscribe(
    *patterns: str, batch: int = 0, batch_seconds: float = 0.5, **options: Unpack[Options]
) -> Callable[[Function], Function]:
    """A handler for all events whose routing key matches a pattern: `db.*.blog.comment`, `auth.#`. It gets the Event.

    With `batch`, it gets a list of events instead: those that came within `batch_seconds`, but at most `batch`. Several
    decorators over one function, with the same options, make one handler. Raises HandlerNameTaken, and TypeError or
    ValueError for wrong options.
    """
    _check_options(subscribe, options)
    if not patterns:
        raise TypeError('@subscribe names no pattern: write @subscribe("auth.#"), or "#" for all events')
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(f'patterns are text, as in @subscribe("auth.#"), not {patterns!r}')

    def register(function: Function) -> Function:
        _check_function(function)
        if not _takes_one(function):
            what = "a list of events" if batch else "an event"
            raise TypeError(f"{function.__qualname__} is called with {what} and nothing else")
        made = {"name": function.__name__, **options}
        _add(
            Handler(
                function=function, patterns=patterns, batch=batch, batch_seconds=batch_seconds, runs=current_runs(),
                **made,  # type: ignore[arg-type]
            )
        )  # fmt: skip
        return function

    return register


def _senders(sender: object) -> tuple[Sender, ...]:
    """The senders as a tuple. Raises TypeError for anything that is not a sender."""
    if sender is None:
        return (None,)
    senders = tuple(sender) if isinstance(sender, list | tuple) else (sender,)
    if not senders or not all(isinstance(each, type | str) and each for each in senders):
        raise TypeError(
            'sender is a model, its label as "blog.Comment", a list of these, or None, which means all senders; '
            f"it is {_told(sender)}"
        )
    return senders


def _told(value: object) -> str:
    """The value for an error message; of an instance only the class, since it may hold private data."""
    return repr(value) if not value or isinstance(value, str | list | tuple) else f"a {type(value).__qualname__}"


def _check_options(decorator: Callable[..., Any], options: Mapping[str, object]) -> None:
    """Raises TypeError for an unknown option. Python's own error would name the class Handler instead."""
    parameters = inspect.signature(decorator).parameters.values()
    known = [*(each.name for each in parameters if each.kind is each.KEYWORD_ONLY), *Options.__annotations__]
    for name in options:
        if name not in known:
            is_of_batches = name.startswith("batch") and decorator is receiver
            what = "Only @subscribe takes events in batches." if is_of_batches else near(name, known)
            raise TypeError(f"@{decorator.__name__} has no option {name!r}. {what}")


def _check_function(function: Callable[..., Any]) -> None:
    if not callable(function) or not hasattr(function, "__name__") or not hasattr(function, "__qualname__"):
        kind = type(function).__qualname__
        raise TypeError(f"a handler is a function, not a {kind}: write a `def` that calls it, which gives it a name")
    if yields(function):
        raise TypeError(f"{function.__qualname__} {NO_GENERATOR}")


def _takes_kwargs(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function, follow_wrapped=False).parameters.values()
    return any(each.kind is each.VAR_KEYWORD for each in parameters)


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        # The outermost function counts: a decorator may pass more arguments to the function that it wraps.
        inspect.signature(function, follow_wrapped=False).bind(None)
    except TypeError:
        return False
    return True


def handlers() -> tuple[Handler, ...]:
    """All registered handlers, in the order of registration."""
    return tuple(_handlers.values())


def _add(handler: Handler) -> None:
    known = _handlers.get(handler.name)
    if known is not None and _is_more(known, handler):
        handler = _both(known, handler)
    elif known is not None and not _is_again(known, handler):
        raise HandlerNameTaken(f"{_clash(known, handler)}. {HandlerNameTaken.__doc__}")
    for name in (handler.name, handler.name.removesuffix(".dead")):
        if {name, dead_queue(name)} <= {handler.name, *_handlers}:
            raise HandlerNameTaken(
                f"{dead_queue(name)!r} names the queue of the dead letters of {name!r}. {HandlerNameTaken.__doc__}"
            )
    _handlers[handler.name] = handler


def _is_more(one: Handler, other: Handler) -> bool:
    """Whether a second decorator stands over the same function, with the same options: both make one handler."""
    # Not `is`: each access to a bound method makes a new object.
    return one.function == other.function and not _unlike(one, other)


def _both(one: Handler, other: Handler) -> Handler:
    return replace(
        other,
        triggers=tuple(dict.fromkeys(one.triggers + other.triggers)),
        patterns=tuple(dict.fromkeys(one.patterns + other.patterns)),
        runs=one.runs + other.runs,
    )


def _unlike(one: Handler, other: Handler) -> list[str]:
    """The names of options that differ."""
    names = [each.name for each in fields(Handler) if each.name not in ADDED and each.name != "function"]
    unlike = [name for name in names if getattr(one, name) != getattr(other, name)]
    return unlike if bool(one.triggers) == bool(other.triggers) else ["decorator", *unlike]


def _clash(one: Handler, other: Handler) -> str:
    if one.function == other.function:
        return f"{one.path} is registered twice as {one.name!r}, and not with the same {', '.join(_unlike(one, other))}"
    who = f"{one.path} and {other.path}" if one.path != other.path else f"Two functions {one.path}"
    return f"{who} are both called {one.name!r}"


def _is_again(one: Handler, other: Handler) -> bool:
    """Whether the same function is registered once more because its module, or a test, runs again.

    A module may be reloaded, or run twice: as `__main__` by `python -m`, and by an import. But two functions that a
    factory makes during one run of the module are not the same.
    """
    modules = {one.function.__module__, other.function.__module__}
    is_module_same = len(modules) == 1 or "__main__" in modules
    is_name_same = one.function.__qualname__ == other.function.__qualname__
    if not is_module_same or not is_name_same or _place(one.function) != _place(other.function):
        return False
    if one.function == other.function and not (_runs(one) and _runs(other)):
        return False
    return len(modules) == 2 or _code(one.function) is not _code(other.function) or not _share_a_run(one, other)


def _share_a_run(one: Handler, other: Handler) -> bool:
    return any(run.is_same(another) for run, another in product(_runs(one), _runs(other)))


def _runs(handler: Handler) -> list[ModuleRun]:
    """The runs of modules that registered the handler, without those of a test runner, which may run a test again."""
    return [run for run in handler.runs if not run.may_be_a_runners]


def _place(function: Callable[..., Any]) -> tuple[str, int] | None:
    """The file and line of the definition: they tell apart two functions of the same name in one file."""
    code = _code(function)
    return None if code is None else (code.co_filename, code.co_firstlineno)


def _code(function: Callable[..., Any]) -> Any:
    return getattr(inspect.unwrap(function), "__code__", None)
