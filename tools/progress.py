"""What a long step shows while it runs: on stderr, so that stdout stays clean for values."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

terminal = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    terminal.print(text, markup=False, soft_wrap=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Show TEXT with the seconds that pass, and one line when it is done."""
    began = monotonic()
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    with Progress(*columns, console=terminal, transient=True) as progress:
        progress.add_task(text, total=None)
        if not terminal.is_terminal:
            say(f"{text} ...")
        yield
    say(f"{text}: done in {monotonic() - began:.1f} s")
