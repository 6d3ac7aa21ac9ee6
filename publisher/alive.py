"""The file that a process touches as long as it turns: what an orchestrator looks at."""

import time
from pathlib import Path

# It is touched every second; while the broker is waited for, once an attempt, which may take 19.
ALIVE_SECONDS = 60.0
TOUCH_SECONDS = 1.0


class AliveFile:
    """Touched at most once a second, however often it is asked for. Without a path there is none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._touched_at = float("-inf")

    def touch(self) -> None:
        now = time.monotonic()
        if self._path is not None and now - self._touched_at >= TOUCH_SECONDS:
            self._touched_at = now
            self._path.touch()


def problem_with(path: Path, what: str) -> str | None:
    """Why the process that touches this file does not turn. It looks at nothing that a restart would not mend."""
    try:
        age = time.time() - path.stat().st_mtime
    except OSError as exc:
        return f"{path}: {exc.strerror}: no {what} with --alive-file has begun"
    return f"{path} was touched {age:.0f} seconds ago: the {what} is stuck" if age > ALIVE_SECONDS else None


def cannot_touch(path: Path | None) -> str | None:
    """Asked before anything begins: a process that cannot touch its file would end at its first turn."""
    try:
        if path is not None:
            path.touch()
    except OSError as exc:
        return f"--alive-file {path}: {exc.strerror}"
    return None
