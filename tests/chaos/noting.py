"""What handlers note beside their database, where no rollback undoes it: what they began, and what they ended."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BEGUN, ENDED = "+", "-"


class Notes:
    """One process's file. What was written survives its SIGKILL."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    @contextmanager
    def noted(self, handler: str, label: str) -> Iterator[None]:
        self._write(BEGUN, handler, label)
        try:
            yield
        finally:
            self._write(ENDED, handler, label)

    def _write(self, *words: str) -> None:
        os.write(self._file, (" ".join(words) + "\n").encode())


def path_of(folder: Path, name: str) -> Path:
    """The notes of the consumer with this name."""
    return folder / f"{name}.notes"


def unfinished(folder: Path, name: str) -> Counter[tuple[str, str]]:
    """What runs in this consumer, as (handler, label); in one that is gone, what ran when it ended."""
    counts: Counter[tuple[str, str]] = Counter()
    for mark, handler, label in _lines(path_of(folder, name)):
        counts[handler, label] += 1 if mark == BEGUN else -1
    return +counts


def begun(folder: Path) -> Counter[tuple[str, str]]:
    """How often each handler began with each label, in all processes."""
    counts: Counter[tuple[str, str]] = Counter()
    for path in folder.glob("*.notes"):
        counts.update((handler, label) for mark, handler, label in _lines(path) if mark == BEGUN)
    return counts


def _lines(path: Path) -> Iterator[list[str]]:
    """Those that are whole."""
    text = path.read_text() if path.exists() else ""
    return (line.split(" ") for line in text[: text.rfind("\n") + 1].splitlines())
