"""Finds what a receiver reads from thread-locals and context variables, which are empty in a consumer.

Reads the source of the receiver and of the functions of the same package that it calls. Names are resolved to their
objects, so nothing is guessed. Variables that these functions also set are left out: they are guards against recursion.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from threading import local
from types import FunctionType
from typing import Any, NamedTuple

from asgiref.local import Local

from publisher.catalogue.entries import Receiver
from publisher.offload.offloaded import unbound

LOCALS = (local, Local, ContextVar)
# How many calls deep to look: django-simple-history's `post_save` gets the user two calls from the receiver.
MOST_STEPS = 2
# Functions whose source is read in any package: they return the request or the user that an app has remembered.
REMEMBERED = frozenset(("get_current_user", "get_current_request", "get_current_authenticated_user"))
READING, WRITING = frozenset(("getattr", "hasattr")), frozenset(("setattr", "delattr"))


class Surroundings(NamedTuple):
    """The source of an expression that reads a thread-local or context variable, and the function that contains it."""

    read: str
    function: str


class _Scope(NamedTuple):
    function: FunctionType
    names: Mapping[str, Any]
    nodes: list[ast.AST]


def surroundings_of(receiver: Receiver) -> Surroundings | None:
    """The first such expression; None where there is none, or no source can be read."""
    scopes = list(_scopes(receiver))
    set_here = {id(held) for scope in scopes for held in _written(scope)}
    for scope in scopes:
        for text, held in _read(scope):
            if id(held) not in set_here:
                return Surroundings(text, scope.function.__qualname__)
    return None


def _scopes(receiver: Receiver) -> Iterator[_Scope]:
    """The receiver, and the functions that it calls."""
    first = _called(receiver)
    level = [] if first is None else [first]
    seen = set()
    for _ in range(MOST_STEPS + 1):
        below = []
        for function, owner in level:
            if function in seen or (scope := _scope(function, owner)) is None:
                continue
            seen.add(function)
            yield scope
            below += [each for each in _calls(scope, owner) if _is_looked_into(each[0], function)]
        level = below


def _called(receiver: object, owner: object = None) -> tuple[FunctionType, object] | None:
    """The Python function that calling `receiver` runs, and the object that is `self` in it."""
    owner = getattr(receiver, "__self__", owner)
    function = unbound(receiver)
    if not inspect.isroutine(function) and not isinstance(function, type):
        owner, function = function, type(function).__call__
    function = getattr(function, "__func__", function)
    # Read the function behind a decorator's wrapper: the wrapper is from another module.
    function = inspect.unwrap(function) if callable(function) else function
    return (function, owner) if isinstance(function, FunctionType) else None


def _scope(function: FunctionType, owner: object) -> _Scope | None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    names = dict(function.__globals__)
    arguments = function.__code__.co_varnames[: function.__code__.co_argcount]
    for name in function.__code__.co_varnames:
        names.pop(name, None)
    if owner is not None and arguments:
        names[arguments[0]] = owner
    return _Scope(function, names, list(ast.walk(tree)))


def _is_looked_into(function: FunctionType, caller: FunctionType) -> bool:
    # Not into Django: its language and time zone are thread-locals too, but they have defaults.
    is_of_its_package = _package(function) == _package(caller) != "django"
    return function.__name__ in REMEMBERED or is_of_its_package


def _package(function: FunctionType) -> str:
    return function.__module__.partition(".")[0]


def _calls(scope: _Scope, owner: object) -> Iterator[tuple[FunctionType, object]]:
    for node in scope.nodes:
        if isinstance(node, ast.Call):
            holder = _value(node.func.value, scope) if isinstance(node.func, ast.Attribute) else None
            called = _called(_value(node.func, scope), holder)
            if called is not None:
                yield called


def _read(scope: _Scope) -> Iterator[tuple[str, object]]:
    """Source and variable of each read: `_state.user`, `getattr(_state, "user", None)`, `_user.get()`."""
    for node in scope.nodes:
        held = None
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and node.attr != "set":
            held = _value(node.value, scope)
        elif isinstance(node, ast.Call) and _is_call_of(node, READING):
            held = _value(node.args[0], scope)
        if isinstance(held, LOCALS):
            yield ast.unparse(node), held


def _written(scope: _Scope) -> Iterator[object]:
    for node in scope.nodes:
        if isinstance(node, ast.Attribute) and (not isinstance(node.ctx, ast.Load) or node.attr == "set"):
            yield _value(node.value, scope)
        elif isinstance(node, ast.Call) and _is_call_of(node, WRITING):
            yield _value(node.args[0], scope)


def _is_call_of(node: ast.Call, names: frozenset[str]) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id in names and bool(node.args)


def _value(node: ast.expr, scope: _Scope) -> Any:
    """The object that a name or an attribute stands for; None where that cannot be known without running code."""
    if isinstance(node, ast.Name):
        return scope.names.get(node.id)
    if not isinstance(node, ast.Attribute):
        return None
    holder = _value(node.value, scope)
    if holder is None or isinstance(holder, LOCALS):
        return None
    try:
        return inspect.getattr_static(holder, node.attr, None)
    except Exception:
        # An object may refuse even this.
        return None
