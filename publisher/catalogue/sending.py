"""What signals are sent with, as the source of the package that defines them says it: where they are sent, and above
where they are made.
"""

import ast
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from publisher.catalogue.modules import text_of
from publisher.catalogue.signals import KnownSignal
from publisher.catalogue.sources import files_of, last_name

SENDS = frozenset(("send", "send_robust", "asend", "asend_robust"))
# Where a call hands on a dict of its own, there may be more.
MORE = "**"
# Quoted, or an item of a list that says what it is.
ARGUMENT = re.compile(r"""["'`](\w+)["'`]|^- (\w+)\s*:""", re.MULTILINE)


def sent_kwargs(known: KnownSignal) -> tuple[str, ...]:
    """The names, in their order; empty where it cannot be told."""
    sent = _index(known.module.partition(".")[0]).get(known.word, ())
    return tuple(dict.fromkeys((*sent, *_documented(known))))


def _documented(known: KnownSignal) -> tuple[str, ...]:
    """`# Arguments: "comment", "request"`, or a list of them, in the comment above the line that makes the signal."""
    lines = text_of(getattr(sys.modules.get(known.module), "__file__", None) or "").splitlines()
    made = re.compile(rf"\s*{re.escape(known.word)}\s*(?::[^=]+)?=(?!=)")
    number = next((number for number, line in enumerate(lines) if made.match(line)), 0)
    above: list[str] = []
    while number and lines[number - 1].lstrip().startswith("#"):
        number -= 1
        above.insert(0, lines[number].lstrip("# "))
    _, _, told = "\n".join(above).partition("rguments:")
    names = [quoted or listed for quoted, listed in ARGUMENT.findall(told)]
    return tuple(name for name in names if name != "sender")


@lru_cache(maxsize=64)
def _index(package: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    # Django's own tests are not installed, and what it has for testing sends signals.
    for _, path in files_of(package, skip=package != "django"):
        for word, names in _sends_in(path):
            found.setdefault(word, {}).update(dict.fromkeys(names))
    return {word: tuple(names) for word, names in found.items()}


def _sends_in(path: str) -> Iterator[tuple[str, list[str]]]:
    data = Path(path).read_bytes()
    if b"send" not in data:
        return
    try:
        tree = ast.parse(text_of(path))
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SENDS:
            word = _word(node.func.value)
            if word:
                yield word, [keyword.arg or MORE for keyword in node.keywords if keyword.arg != "sender"]


def _word(node: ast.expr) -> str:
    """What the signal is called where it is sent: `signals.created`, `Hooks.created`, `HOOKS["created"]`."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return last_name(node)
