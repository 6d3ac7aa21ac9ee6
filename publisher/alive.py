"""The `--alive-file` that a process touches while it works, so that an orchestrator can tell whether it hangs."""

import logging
import time
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

# A process counts as stuck when its file is older than this. The file is touched every second, but while the process
# tries to connect to the broker only once for each attempt, which may take 19 seconds.
ALIVE_SECONDS = 60.0
TOUCH_SECONDS = 1.0


class AliveFile:
    """`touch` may be called at any rate: the file is touched at most once a second. Without a path, it does nothing.

    A failure is logged once, since whoever checks the file will take the process for stuck.
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
    """Why the process that touches this file seems to hang; None if it does not.

    The broker and the database are not looked at: a restart of the process would not bring them back.
    """
    try:
        age = time.time() - path.stat().st_mtime
    except FileNotFoundError as exc:
        return f"{path}: {exc.strerror}: no {what} with --alive-file has begun, or it ended"
    except OSError as exc:
        return f"{path}: {exc.strerror}: it is not known whether the {what} works"
    return f"{path} was touched {age:.0f} seconds ago: the {what} is stuck" if age > ALIVE_SECONDS else None


def cannot_touch(path: Path | None) -> str | None:
    """Touch the file before the process starts its work. Returns why that failed; None if it did not."""
    try:
        if path is not None:
            path.touch()
    except OSError as exc:
        return f"--alive-file {path}: {exc.strerror}"
    return None


def take_away(path: Path | None) -> None:
    """Delete the file when the process ends, or it would count as alive for another minute.

    A file with content stays: the path may be a mistake.
    """
    with suppress(OSError):
        if path is not None and path.is_file() and not path.stat().st_size:
            path.unlink()
