"""Whether what cannot be undone is meant: asked on a terminal, as Django's `flush` does."""

import sys
from argparse import ArgumentParser

from django.core.management.base import OutputWrapper


def add_no_input(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--no-input",
        "--noinput",
        action="store_false",
        dest="interactive",
        help="ask nothing; nothing is asked anyway where the input is no terminal",
    )


def asks(*, interactive: bool) -> bool:
    """A script that reads no answer has decided."""
    return interactive and sys.stdin is not None and sys.stdin.isatty()


def is_agreed(count: int, kind: str, stderr: OutputWrapper) -> bool:
    """Asks it once. The question is on stderr: stdout is for what is done."""
    stderr.write(f"Discard {count} {kind}{'' if count == 1 else 's'} for good? [y/N] ", str, ending="")
    stderr.flush()
    try:
        answer = input()
    except EOFError:
        answer = ""
    return answer.strip().lower() in ("y", "yes")
