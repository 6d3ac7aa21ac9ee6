"""Reads a receiver's source for what may not work after the request, in another process."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from publisher.catalogue.entries import Receiver
from publisher.offload.offloaded import unbound

Function = ast.FunctionDef | ast.AsyncFunctionDef
# The attributes of a request that a handler gets. (Its `user` is only a primary key.)
REQUEST_HAS = frozenset(("method", "path", "headers", "client"))
INSTANCE, REQUEST = "instance", "request"
# Attributes by which code looks for rows in the database.
LOOK_UPS = frozenset(("objects", "_default_manager", "_base_manager", "refresh_from_db"))


# Functions that only look at the object that they are given, and methods that log it: none queries the database.
ASKING = frozenset(
    ("isinstance", "getattr", "hasattr", "setattr", "delattr", "type", "str", "repr", "print", "id", "super")
)
TELLING = frozenset(("debug", "info", "warning", "error", "exception", "critical", "log"))


class Findings(NamedTuple):
    """What a person should look at: numbers of lines of the file, or names.

    `parameters` are the names of kwargs that the receiver asks for. `private` are names of the instance's attributes
    that begin with an underscore, which are rarely fields. `hands_on_...` are the lines that pass all kwargs, or the
    instance, to another function, whose source is not read.
    """

    returns: tuple[int, ...] = ()
    mutates: tuple[int, ...] = ()
    needs_request: tuple[int, ...] = ()
    looks_up: tuple[int, ...] = ()
    parameters: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    hands_on_kwargs: tuple[int, ...] = ()
    hands_on_instance: tuple[int, ...] = ()


def findings_of(receiver: Receiver) -> Findings:
    """The findings in a receiver's source; empty where there is no source to read."""
    function = unbound(receiver)
    if not inspect.isroutine(function):
        function = type(function).__call__
    try:
        lines, first = inspect.getsourcelines(inspect.unwrap(function))
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return Findings()
    found = next((node for node in ast.walk(tree) if isinstance(node, Function)), None)
    return Findings() if found is None else findings_in(found, first - 1)


def findings_in(function: Function, offset: int = 0) -> Findings:
    """The findings in a parsed function. Its first line is line `offset` + 1 of the file."""
    nodes = list(_own(function))
    names = {name: frozenset(_names_of(name, nodes)) for name in (INSTANCE, REQUEST)}
    return Findings(
        returns=_lines((node for node in nodes if _returns(node)), offset),
        mutates=_lines((node for node in nodes if _mutates(node, names[INSTANCE])), offset),
        needs_request=_lines(_uses(nodes, names[REQUEST]), offset),
        looks_up=_lines((node for node in nodes if isinstance(node, ast.Attribute) and node.attr in LOOK_UPS), offset),
        parameters=tuple(each.arg for each in (*function.args.args, *function.args.kwonlyargs)),
        private=tuple(sorted({name for node in nodes for name in _private(node, names[INSTANCE])})),
        hands_on_kwargs=_lines((node for node in nodes if _is_handed(node, function.args.kwarg)), offset),
        hands_on_instance=_lines((node for node in nodes if _takes(node, names[INSTANCE])), offset),
    )


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of the function, without those of functions and classes inside it."""
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            yield node
            yield from _own(node)


def _lines(nodes: Iterator[ast.AST], offset: int) -> tuple[int, ...]:
    return tuple(sorted({node.lineno + offset for node in nodes if isinstance(node, ast.stmt | ast.expr)}))


def _returns(node: ast.AST) -> bool:
    is_none = isinstance(node, ast.Return) and isinstance(node.value, ast.Constant) and node.value.value is None
    return isinstance(node, ast.Return) and node.value is not None and not is_none


def _names_of(name: str, nodes: list[ast.AST]) -> Iterator[str]:
    """The parameter's name, and variables to which `kwargs["name"]` or `kwargs.get("name")` is assigned."""
    yield name
    for node in nodes:
        if isinstance(node, ast.Assign) and _is_kwarg(node.value, name):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _is_kwarg(node: ast.expr, name: str) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop"):
        key = node.args[0] if node.args else None
    else:
        key = node.slice if isinstance(node, ast.Subscript) else None
    return isinstance(key, ast.Constant) and key.value == name


def _is_one_of(node: ast.AST, names: frozenset[str], kwarg: str) -> bool:
    return (isinstance(node, ast.Name) and node.id in names) or (isinstance(node, ast.expr) and _is_kwarg(node, kwarg))


def _mutates(node: ast.AST, names: frozenset[str]) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("setattr", "delattr"):
        return bool(node.args) and _is_one_of(node.args[0], names, INSTANCE)
    is_written = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del)
    return is_written and _is_one_of(node.value, names, INSTANCE)  # type: ignore[attr-defined]


def _private(node: ast.AST, names: frozenset[str]) -> Iterator[str]:
    """The name in `instance._old`, `getattr(instance, "_old")` or `hasattr(instance, "_old")`."""
    name: object = None
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and _is_one_of(node.value, names, INSTANCE):
        name = node.attr
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "hasattr"):
        held, key = (*node.args, None, None)[:2]
        if held is not None and _is_one_of(held, names, INSTANCE) and isinstance(key, ast.Constant):
            name = key.value
    if isinstance(name, str) and name.startswith("_"):
        yield name


def _is_handed(node: ast.AST, kwargs: ast.arg | None) -> bool:
    """Whether the node passes all of `**kwargs` to another function."""
    if not isinstance(node, ast.Call) or kwargs is None:
        return False
    return any(_is_named(each, frozenset((kwargs.arg,))) for each in _arguments(node))


def _takes(node: ast.AST, names: frozenset[str]) -> bool:
    """Whether the node passes the instance to another function, which may query the database."""
    if not isinstance(node, ast.Call) or (isinstance(node.func, ast.Name) and node.func.id in ASKING):
        return False
    is_told = isinstance(node.func, ast.Attribute) and node.func.attr in TELLING
    return not is_told and any(_is_named(each, names) for each in _arguments(node))


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _is_named(node: ast.expr, names: frozenset[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def _uses(nodes: list[ast.AST], names: frozenset[str]) -> Iterator[ast.AST]:
    """Nodes that read an attribute of the request that is not sent, or pass the request to another function."""
    for node in nodes:
        if isinstance(node, ast.Attribute):
            if node.attr not in REQUEST_HAS and _is_one_of(node.value, names, REQUEST):
                yield node
        elif isinstance(node, ast.Call):
            yield from (value for value in _arguments(node) if _is_one_of(value, names, REQUEST))
