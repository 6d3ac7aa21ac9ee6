"""The kwargs that signals are sent with, from the source of the package that defines them: from calls of `send`, and
from the comments above the signals.
"""

import ast
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from publisher.catalogue.modules import text_of
from publisher.catalogue.signals import KnownSignal
from publisher.catalogue.sources import files_of, last_name

SENDS = frozenset(("send", "send_robust", "asend", "asend_robust"))
# A file without this is not parsed. To search for it takes a fiftieth of the time of parsing.
SENDING = re.compile(rb"\.\s*a?send(?:_robust)?\b")
# Stands for further kwargs, where a call has `**kwargs`.
MORE = "**"
# Attributes of a user that are not the user: `user=user.pk`.
KEYS = frozenset(("pk", "id", "username", "email"))
# A name in a comment: quoted, or an item of a list with an explanation.
ARGUMENT = re.compile(r"""["'`](\w+)["'`]|^- (\w+)\s*:""", re.MULTILINE)


class Kwargs(NamedTuple):
    """The names of all kwargs, and the names of those that are users; both in the order of the source."""

    names: tuple[str, ...] = ()
    users: tuple[str, ...] = ()


def sent_kwargs(known: KnownSignal) -> tuple[str, ...]:
    """The names of the kwargs, in order, with MORE if there may be others; empty where they are not known."""
    return tuple(dict.fromkeys((*_sent(known).names, *_documented(known))))


def user_kwargs(known: KnownSignal) -> tuple[str, ...]:
    """The names of the kwargs that are users, by their names or by their values: `by=request.user`."""
    sent = _sent(known)
    documented = (name for name in _documented(known) if name not in sent.names and is_called_user(name))
    return (*sent.users, *documented)


def is_called_user(name: str) -> bool:
    return name == "user" or name.endswith("_user")


def _sent(known: KnownSignal) -> Kwargs:
    return _index(known.module.partition(".")[0]).get(known.word, Kwargs())


def _documented(known: KnownSignal) -> tuple[str, ...]:
    """The names in a comment above the signal: `# Arguments: "comment", "request"`, or a list of them."""
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
def _index(package: str) -> dict[str, Kwargs]:
    found: dict[str, list[ast.keyword]] = {}
    # Skipping tests would skip `django.test`, which sends signals. Django's own tests are not installed anyway.
    for _, path in files_of(package, skip=package != "django"):
        for word, keywords in _sends_in(path):
            found.setdefault(word, []).extend(keywords)
    return {word: _kwargs(keywords) for word, keywords in found.items()}


def _kwargs(keywords: list[ast.keyword]) -> Kwargs:
    return Kwargs(
        names=tuple(dict.fromkeys(keyword.arg or MORE for keyword in keywords)),
        users=tuple(dict.fromkeys(keyword.arg for keyword in keywords if keyword.arg and _is_user(keyword))),
    )


def _is_user(keyword: ast.keyword) -> bool:
    given = last_name(keyword.value)
    return is_called_user(given) or (is_called_user(keyword.arg or "") and given not in KEYS)


def _sends_in(path: str) -> Iterator[tuple[str, list[ast.keyword]]]:
    if not SENDING.search(Path(path).read_bytes()):
        return
    try:
        tree = ast.parse(text_of(path))
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SENDS:
            word = _word(node.func.value)
            if word:
                yield word, [keyword for keyword in node.keywords if keyword.arg != "sender"]


def _word(node: ast.expr) -> str:
    """The last word of what `send` is called on: `signals.created`, `Hooks.created`, `HOOKS["created"]`."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return last_name(node)
