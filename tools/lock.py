"""A lock between processes: on a file, which the kernel unlocks when its holder ends, however it ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from tools.errors import ToolError
from tools.progress import say


@contextmanager
def exclusive(path: Path, *, timeout_seconds: float = 180) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        if not _acquired(file.fileno()):
            say(f"Another run holds {path}; waiting for it")
            _wait(file.fileno(), path, timeout_seconds)
        yield


def _wait(descriptor: int, path: Path, timeout_seconds: float) -> None:
    deadline = monotonic() + timeout_seconds
    while not _acquired(descriptor):
        if monotonic() > deadline:
            raise ToolError(f"{path} is still held after {timeout_seconds:.0f} s: end the other run, try again")
        sleep(0.1)


def _acquired(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
