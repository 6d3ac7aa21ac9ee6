"""Handlers that are coroutine functions: each call has an event loop, which also ends it at its hard limit."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import isasyncgen, isasyncgenfunction, iscoroutine, isgenerator, isgeneratorfunction
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction

from consumers.exceptions import HandlerTooSlow

NO_GENERATOR = "has a `yield`: calling it would only make a generator, and run nothing; take the `yield` out"


def ends_itself(function: Callable[..., Any]) -> bool:
    """Whether calls end by themselves at the hard limit, as those of coroutines do.

    HandlerTooSlow cannot be raised in their thread: it waits in a lock for the loop.
    """
    return iscoroutinefunction(function) or bool(getattr(function, "ends_itself", False))


def callable_of(function: Callable[..., Any], seconds: float | None) -> Callable[..., Any]:
    """The function, to be called from a thread. A call of a coroutine function is ended after so many seconds."""
    if not iscoroutinefunction(function):
        return function
    # Database queries run in the calling thread, so in its transaction: asgiref does so for thread-sensitive code.
    run: Callable[..., Any] = async_to_sync(_limited(function, seconds))
    return run


def check_done(result: object, function: Callable[..., Any]) -> None:
    """Raises TypeError if the result is a coroutine or a generator: the function has not run then.

    That is seen when the handler is registered, unless a decorator hides it.
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
    """The same function, which is cancelled at its next `await` after so many seconds, and raises HandlerTooSlow."""

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
