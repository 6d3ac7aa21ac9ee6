"""What a benchmark shows while it runs: on stderr, so that stdout stays clean for the results."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tools.progress import say, step, terminal

__all__ = ["Next", "say", "step", "steps"]

Next = Callable[[str], None]


@contextmanager
def steps(title: str, total: int) -> Iterator[Next]:
    """Yields what is to be called, with a word on it, at the beginning of each of so many steps."""
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=terminal, transient=True) as progress:
        task = progress.add_task(title, total=total)
        begun = 0

        def begin(what: str) -> None:
            nonlocal begun
            progress.update(task, completed=begun, description=f"{title}: {what}")
            begun += 1

        if not terminal.is_terminal:
            say(f"{title} ...")
        yield begin
