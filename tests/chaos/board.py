"""What a run shows while it lasts: a line for each fault, and below them how it stands. On stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tests.chaos.crew import Crew
from tests.chaos.faults import Occurrence
from tests.chaos.journal import Outcome, Tail
from tools import progress

# The terminal is drawn more often than the database is to be asked.
LOOK_SECONDS = 1.0


class Board:
    """`arrived` counts what the run is about, `things`."""

    def __init__(self, console: Console, crew: Crew, count: int, things: str, arrived: Callable[[], int]) -> None:
        self.console = console
        self.crew = crew
        self.count = count
        self.things = things
        self.happened = 0
        self.doing = "starting"
        self.began = time.monotonic()
        self._arrived = arrived
        self._looked_at, self._seen = float("-inf"), 0
        self._tails: dict[Path, Tail] = {}

    @contextmanager
    def shown(self) -> Iterator[None]:
        # What starts the servers draws on the same terminal.
        before, progress.terminal.quiet = progress.terminal.quiet, True
        try:
            with Live(get_renderable=self._line, console=self.console, refresh_per_second=4, transient=True):
                yield
        finally:
            progress.terminal.quiet = before

    def tell(self, occurrence: Occurrence) -> None:
        self.happened += 1
        recovery = occurrence.recovery_seconds
        after = "the next came at once" if recovery is None else f"on again after {recovery:.1f} s"
        self.console.print(
            f"{time.monotonic() - self.began:5.0f} s  {self.happened:>3}/{self.count}  {occurrence.kind.value:<18} "
            f"{occurrence.backlog:>5} at stake, {after}",
            highlight=False,
        )

    @property
    def committed(self) -> int:
        start = Outcome.COMMITTED.value.encode()
        return sum(self._tails.setdefault(path, Tail(path, start)).read() for path in self.crew.journals)

    def _line(self) -> Text:
        seconds = time.monotonic() - self.began
        if seconds - self._looked_at > LOOK_SECONDS:
            self._looked_at, self._seen = seconds, self._arrived()
        numbers = f"{self.committed:,} saves committed, {self._seen:,} {self.things}"
        return Text(f"{seconds:5.0f} s  {self.happened:>3}/{self.count}  {self.doing}: {numbers}", style="cyan")
