"""The place in the code that a person should look at when a handler's call raised."""

from collections.abc import Callable
from inspect import unwrap
from traceback import walk_tb
from typing import Any

from consumers import coroutines
from consumers.handling import calling
from publisher.raised import place_in, where

CALLERS = frozenset((calling.__file__, coroutines.__file__))


def place_of(exc: BaseException, function: Callable[..., Any]) -> str:
    """The last line of the project's code in the traceback.

    If the call itself failed, as for a parameter that the function does not have, it is the function's first line.
    """
    code = getattr(unwrap(function), "__code__", None)
    if code is not None and _is_of_the_call(exc):
        return place_in(code.co_filename, code.co_firstlineno)
    return where(exc)


def _is_of_the_call(exc: BaseException) -> bool:
    if not isinstance(exc, TypeError):
        return False
    files = [frame.f_code.co_filename for frame, _ in walk_tb(exc.__traceback__)]
    return bool(files) and files[-1] in CALLERS
