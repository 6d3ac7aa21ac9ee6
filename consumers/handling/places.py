"""Where what a handler's call raised came from, as a person looks for it."""

from collections.abc import Callable
from inspect import unwrap
from traceback import walk_tb
from typing import Any

from consumers import coroutines
from consumers.handling import calling
from publisher.raised import place_in, where

CALLERS = frozenset((calling.__file__, coroutines.__file__))


def place_of(exc: BaseException, function: Callable[..., Any]) -> str:
    """The last of the project's own lines; the function's own, where the call itself is wrong: as for parameters that
    it does not have.
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
