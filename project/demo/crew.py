"""The demo's processes: started together, heard line by line, and ended together."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
GRACE_SECONDS = 5.0
KEPT_LINES = 20


class ProcessEnded(Exception):
    """A process of the demo ended by itself; its last lines say why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a process wrote; None when it will write no more."""

    process: str
    text: str | None


class Crew:
    """Management commands as processes, each in its own process group. Leaving the context ends them all."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._members: dict[str, _Member] = {}
        self._lines: SimpleQueue[Line] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _end(self._members.values())

    def start(self, name: str, *command: str) -> None:
        self._members[name] = _Member(name, command, self._environment, self._lines)

    def next_line(self, timeout_seconds: float) -> Line | None:
        """The next line of any process, or None after the timeout. Raises ProcessEnded when one has ended."""
        try:
            line = self._lines.get(timeout=timeout_seconds)
        except Empty:
            return None
        if line.text is None and line.process in self._members:
            raise ProcessEnded(self._members[line.process].obituary())
        return line

    def end(self, name: str) -> None:
        """End one of them; what it said until then is still to be heard."""
        _end([self._members.pop(name)])


class _Member:
    """One process, and the thread that listens to it."""

    def __init__(
        self, name: str, command: tuple[str, ...], environment: Mapping[str, str], lines: SimpleQueue[Line]
    ) -> None:
        self._name = name
        self._lines = lines
        self._last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "project.demo.child", *command],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for text in output:
                self._last_lines.append(text.rstrip())
                self._lines.put(Line(process=self._name, text=text.rstrip()))
        self._lines.put(Line(process=self._name, text=None))

    def obituary(self) -> str:
        try:
            code = self._process.wait(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return f"The {self._name} closed its output."
        last = "\n".join(f"  {line}" for line in self._last_lines)
        return f"The {self._name} ended with {code}. Its last lines:\n{last}"

    def signal_group(self, number: signal.Signals) -> None:
        # A group outlives its leader while a grandchild lives, so it is signalled even when the leader is gone.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def wait(self, timeout_seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=max(0.0, timeout_seconds))

    def bury(self) -> None:
        self.signal_group(signal.SIGKILL)
        self._process.wait()
        self._listener.join(timeout=GRACE_SECONDS)
        if self._process.stdin is not None:
            self._process.stdin.close()


def _end(members: Collection[_Member]) -> None:
    """Ask them to end, and after a grace period make them."""
    for member in members:
        member.signal_group(signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    for member in members:
        member.wait(deadline - time.monotonic())
    for member in members:
        member.bury()


def environment_of_children(**more: str) -> dict[str, str]:
    """This process's environment, with output that is not held back in a buffer."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": path, **more}
