"""Handlers that are coroutine functions. Each call runs in an event loop, which cancels it at its hard limit."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import isasyncgen, isasyncgenfunction, iscoroutine, isgenerator, isgeneratorfunction
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction

from consumers.exceptions import HandlerTooSlow

NO_GENERATOR = "has a `yield`: calling it would only make a generator, and run nothing; take the `yield` out"


def ends_itself(function: Callable[..., Any]) -> bool:
    """Whether calls of the function end by themselves at the hard limit, as those of coroutine functions do.

    Nothing else could end them: their thread waits in a lock for the event loop, where HandlerTooSlow has no effect.
    """
    return iscoroutinefunction(function) or bool(getattr(function, "ends_itself", False))


def callable_of(function: Callable[..., Any], seconds: float | None) -> Callable[..., Any]:
    """The function as a plain one, to be called from a thread. A coroutine is cancelled after `seconds`."""
    if not iscoroutinefunction(function):
        return function
    # asgiref runs Django's queries in the calling thread, so they are part of the transaction that is open there.
    run: Callable[..., Any] = async_to_sync(_limited(function, seconds))
    return run


def check_done(result: object, function: Callable[..., Any]) -> None:
    """Raises TypeError if the result is a coroutine or a generator: the function has not run then.

    Generators are refused when a handler is registered, but a decorator may hide that a function is one.
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
    """The same function, but after `seconds` it is cancelled at its next `await`, and HandlerTooSlow is raised."""

    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        try:
            async with asyncio.timeout(seconds) as limit:
                return await function(*args, **kwargs)
        except TimeoutError as exc:
            if limit.expired():
                raise HandlerTooSlow from exc
            raise  # the handler raised it itself

    return call
