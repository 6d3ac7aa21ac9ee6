"""Finds the modules of the installed apps that define signals, by reading their source files.

These modules may not be imported yet. Only those whose source creates a signal are imported.
"""

import ast
import logging
import os
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from django.dispatch import Signal

from publisher.catalogue.modules import app_packages, is_within, text_of

logger = logging.getLogger(__name__)

# Never imported: tests, migrations and scripts.
SKIPPED_FOLDERS = frozenset(("tests", "test", "testing", "migrations", "node_modules", "__pycache__"))
SKIPPED_FILES = r"(?:test_.*|.*_tests?|tests?|conftest|setup|manage)\.py"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
SUBCLASS = r"(?m)^\s*class (\w+)\([^)]*Signal\b[^)]*\)"
ALIAS = r"\bSignal as (\w+)"


def import_definitions(package: str = "") -> None:
    """Import the modules that define a signal, in the packages of the installed apps or within `package`.

    Modules that cannot be imported, as those of apps that are not installed, are left out.
    """
    for name in defining_modules(package):
        if name not in sys.modules:
            try:
                import_module(name)
            except Exception as exc:
                logger.debug("not in the catalogue module=%s error=%s", name, type(exc).__name__)


def defining_modules(package: str = "") -> tuple[str, ...]:
    """The modules that create a signal when they are imported. Those that were imported already may be left out."""
    found: list[str] = []
    for root in sorted(app_packages()):
        if is_within(root, package):
            found += _defining(root)
        elif is_within(package, root) and package in sys.modules:
            found += _defining(package)
        elif is_within(package, root):
            # `package` is not imported, so the location of its files is unknown: search its root package.
            found += (module for module in _defining(root) if is_within(module, package))
    return tuple(found)


@lru_cache(maxsize=256)
def _defining(package: str) -> tuple[str, ...]:
    names = {"Signal", *(kind.__name__ for kind in _subclasses(Signal))}
    texts: dict[str, str] = {}
    while True:
        added = set()
        for module, path in files_of(package):
            if module in texts or module in sys.modules or not _mentions(path, names):
                continue
            texts[module] = text_of(path)
            added |= {*re.findall(SUBCLASS, texts[module]), *re.findall(ALIAS, texts[module])}
        if not added - names:
            break
        # Search again for the new subclasses, which files may use without mentioning Signal.
        names |= added
    return tuple(module for module, text in texts.items() if _makes(text, frozenset(names)))


def _subclasses(kind: type) -> Iterator[type]:
    subclass: type
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _mentions(path: str, names: set[str]) -> bool:
    try:
        data = Path(path).read_bytes()
    except OSError:
        return False
    return any(name.encode() in data for name in names)


def files_of(package: str, *, skip: bool = True) -> Iterator[tuple[str, str]]:
    """(module, file) for the package and everything below it. `skip` leaves out tests, migrations and scripts."""
    module = sys.modules.get(package)
    folders = list(getattr(module, "__path__", ()))
    file = getattr(module, "__file__", None)
    if module is not None and not folders and file:
        yield package, file
    for folder in folders:
        yield from _below(folder, package, skip=skip)


def _below(folder: str, package: str, *, skip: bool) -> Iterator[tuple[str, str]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        name = entry.name
        if name.endswith(".py") and not (skip and re.fullmatch(SKIPPED_FILES, name)):
            yield (package if name == "__init__.py" else f"{package}.{name[:-3]}"), entry.path
        elif name.isidentifier() and not (skip and name in SKIPPED_FOLDERS) and entry.is_dir():
            yield from _below(entry.path, f"{package}.{name}", skip=skip)


def _makes(text: str, names: frozenset[str]) -> bool:
    """Whether importing the module calls Signal or a subclass: at its top level or in a class, not in a function."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return any(isinstance(node, ast.Call) and last_name(node.func) in names for node in _run_on_import(tree))


def _run_on_import(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, FUNCTIONS):
            yield node
            yield from _run_on_import(node)


def last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
