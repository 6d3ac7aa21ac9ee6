"""What the commands print: a table for people, JSON for programs."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from django.core.management.base import CommandParser, OutputWrapper
from django.db import DEFAULT_DB_ALIAS, connections
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_COLUMNS = 160
IDS = frozenset(("id", "event"))


def add_format(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--format", choices=("table", "json"), default="table", help="for people or for programs (default: %(default)s)"
    )


def in_any_order(parser: CommandParser) -> CommandParser:
    """Lets positional arguments come after options, as in `replay --rehearse ID`."""
    parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
    return parser


def add_database(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--database",
        type=alias,
        default=DEFAULT_DB_ALIAS,
        metavar="ALIAS",
        help="which database (default: %(default)s)",
    )


def positive(text: str) -> int:
    """A whole number above 0. Raises ArgumentTypeError, which argparse shows."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def alias(name: str) -> str:
    """A database alias. Raises ArgumentTypeError, which argparse shows, for one that is not in DATABASES."""
    if name not in connections:
        raise ArgumentTypeError(f"there is no database {name!r}; there are: {', '.join(connections)}")
    return name


def show(rows: Sequence[Any], format: str, *, title: str, stdout: OutputWrapper) -> None:
    """Print dataclass instances of one kind."""
    if format == "json":
        stdout.write(json.dumps([asdict(row) for row in rows], indent=2, default=str))
        return
    if not rows:
        stdout.write(f"{title}: none.")
        return
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for column in fields(rows[0]):
        # Ids are not wrapped, so that they can be copied.
        table.add_column(column.name.replace("_", " "), overflow="fold", no_wrap=column.name in IDS)
    for row in rows:
        table.add_row(*(_cell(getattr(row, column.name)) for column in fields(row)))
    Console(file=stdout, width=None if stdout.isatty() else PIPE_COLUMNS).print(table)  # type: ignore[arg-type]


def _cell(value: object) -> Text:
    if isinstance(value, bool):
        return Text("yes", style="green") if value else Text("-", style="dim")
    if isinstance(value, tuple):
        return Text("\n".join(map(str, value)))
    return Text("" if value is None else str(value))
