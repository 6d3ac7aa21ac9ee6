"""The file that a process touches as long as it turns: what an orchestrator looks at."""

import logging
import time
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

# It is touched every second; while the broker is waited for, once an attempt, which may take 19.
ALIVE_SECONDS = 60.0
TOUCH_SECONDS = 1.0


class AliveFile:
    """Touched at most once a second, however often it is asked for. Without a path there is none.

    Where it cannot be touched any more, that is logged, once: whoever looks at it will say that the process is stuck.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._touched_at = float("-inf")
        self._is_told = False

    def touch(self) -> None:
        now = time.monotonic()
        if self._path is not None and now - self._touched_at >= TOUCH_SECONDS:
            self._touched_at = now
            self._touch(self._path)

    def _touch(self, path: Path) -> None:
        try:
            path.touch()
            self._is_told = False
        except OSError as exc:
            if not self._is_told:
                self._is_told = True
                logger.error("--alive-file %s cannot be touched any more, work goes on: %s", path, exc.strerror)


def problem_with(path: Path, what: str) -> str | None:
    """Why the process that touches this file does not turn. It looks at nothing that a restart would not mend."""
    try:
        age = time.time() - path.stat().st_mtime
    except FileNotFoundError as exc:
        return f"{path}: {exc.strerror}: no {what} with --alive-file has begun, or it ended"
    except OSError as exc:
        return f"{path}: {exc.strerror}: it cannot be told whether the {what} turns"
    return f"{path} was touched {age:.0f} seconds ago: the {what} is stuck" if age > ALIVE_SECONDS else None


def cannot_touch(path: Path | None) -> str | None:
    """Asked before anything begins: a process that cannot touch its file would end at its first turn."""
    try:
        if path is not None:
            path.touch()
    except OSError as exc:
        return f"--alive-file {path}: {exc.strerror}"
    return None


def take_away(path: Path | None) -> None:
    """At an end: a file that is young would say that the process turns. One that holds anything is no such file."""
    with suppress(OSError):
        if path is not None and path.is_file() and not path.stat().st_size:
            path.unlink()
