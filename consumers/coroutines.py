"""Handlers that are coroutine functions: each runs in a loop of its own, which ends it at its hard limit."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import isasyncgen, isasyncgenfunction, iscoroutine, isgenerator, isgeneratorfunction
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction

from consumers.exceptions import HandlerTooSlow

NO_GENERATOR = "has a `yield`, so that nothing of it would run when it is called: take that out"


def ends_itself(function: Callable[..., Any]) -> bool:
    """Whether it is run here: its thread waits for the loop in a lock, where no other thread can end it."""
    return iscoroutinefunction(function) or bool(getattr(function, "ends_itself", False))


def callable_of(function: Callable[..., Any], seconds: float | None) -> Callable[..., Any]:
    """The function, to be called from a thread; one that is run here is ended after so many seconds."""
    if not iscoroutinefunction(function):
        return function
    # In this thread, so inside its transaction: asgiref runs what is thread-sensitive where it was called from.
    run: Callable[..., Any] = async_to_sync(_limited(function, seconds))
    return run


def check_done(result: object, function: Callable[..., Any]) -> None:
    """Raises TypeError where a decorator hid that the function is a coroutine's, or a generator's: nothing of it was
    done.
    """
    name = getattr(function, "__qualname__", repr(function))
    if iscoroutine(result):
        result.close()
        raise TypeError(f"{name} was not awaited: write its decorator as `async def`, or the handler as `def`")
    if isgenerator(result) or isasyncgen(result):
        raise TypeError(f"{name} {NO_GENERATOR}")


def yields(function: Callable[..., Any]) -> bool:
    return isgeneratorfunction(function) or isasyncgenfunction(function)


def _limited(function: Callable[..., Coroutine[Any, Any, Any]], seconds: float | None) -> Callable[..., Any]:
    """Cancelled at its next `await` after so many seconds. Raises HandlerTooSlow then."""

    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        try:
            async with asyncio.timeout(seconds) as limit:
                return await function(*args, **kwargs)
        except TimeoutError as exc:
            if limit.expired():
                raise HandlerTooSlow from exc
            raise  # the handler's own

    return call
