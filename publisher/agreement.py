"""Asks for confirmation before a command does what cannot be undone, as Django's `flush` does."""

import sys
from argparse import ArgumentParser

from django.core.management.base import OutputWrapper


def add_no_input(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--no-input",
        "--noinput",
        action="store_false",
        dest="interactive",
        help="do not ask for confirmation (without a terminal, nothing is asked anyway)",
    )


def asks(*, interactive: bool) -> bool:
    """Whether there is somebody to ask. A script cannot answer, so its command is carried out without a question."""
    return interactive and sys.stdin is not None and sys.stdin.isatty()


def is_agreed(count: int, kind: str, stderr: OutputWrapper) -> bool:
    """Ask once, and return whether the answer is yes. On stderr, since stdout is for the results."""
    stderr.write(f"Discard {count} {kind}{'' if count == 1 else 's'} for good? [y/N] ", str, ending="")
    stderr.flush()
    try:
        answer = input()
    except EOFError:
        answer = ""
    return answer.strip().lower() in ("y", "yes")
