"""What a writer notes, and how it is read: one line a note, in the file before the next step is taken."""

import os
from collections import Counter
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from threading import Lock
from typing import NamedTuple


class Outcome(Enum):
    """A label that was attempted and has no other outcome is unknown: its writer, or its database, died."""

    ATTEMPTED = "attempted"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled-back"


class Note(NamedTuple):
    outcome: Outcome
    label: str


class Journal:
    """One writer's file. What `note` wrote survives the SIGKILL of the writer."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(self, outcome: Outcome, *labels: str) -> None:
        os.write(self._file, "".join(f"{outcome.value} {label}\n" for label in labels).encode())

    def close(self) -> None:
        os.close(self._file)


def notes(path: Path) -> Iterable[Note]:
    for line in path.read_text().splitlines():
        outcome, _, label = line.partition(" ")
        yield Note(Outcome(outcome), label)


def last_attempted(path: Path) -> str | None:
    """The save that the writer is at; None when it has noted what came of it."""
    noted = list(notes(path)) if path.exists() else []
    return noted[-1].label if noted and noted[-1].outcome is Outcome.ATTEMPTED else None


def outcomes(paths: Iterable[Path]) -> Counter[Outcome]:
    """How many there are of each."""
    return Counter(note.outcome for path in paths for note in notes(path))


class Tail:
    """Counts the lines of a growing file that begin with `start`, each read once, for any thread."""

    def __init__(self, path: Path, start: bytes) -> None:
        self.path = path
        self.start = start
        self.count = 0
        self._offset = 0
        self._lock = Lock()

    def read(self) -> int:
        with self._lock:
            if self.path.exists():
                self._read()
            return self.count

    def _read(self) -> None:
        with self.path.open("rb") as file:
            file.seek(self._offset)
            lines = file.read().split(b"\n")
        # The last one is empty, or not whole yet.
        self._offset += sum(len(line) + 1 for line in lines[:-1])
        self.count += sum(line.startswith(self.start) for line in lines[:-1])
