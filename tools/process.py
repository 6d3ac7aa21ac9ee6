"""Starts and ends processes that outlive this one. A process is known by pid and start time: pids are reused."""

import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil

# A zombie counts as ended: it has only its pid left, until its parent collects its exit code.
ENDED = (None, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to start: the command, its environment and, when started by root, the user to become."""

    command: Sequence[str]
    env: Mapping[str, str]
    user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A pid together with the moment it began, in seconds since the epoch."""

    pid: int
    began: float

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        try:
            return cls(pid=pid, began=psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    @property
    def status(self) -> str | None:
        """psutil's word for what it is doing, None when it is gone."""
        try:
            process = psutil.Process(self.pid)
            # The clock's corrections move what is derived from the boot time.
            if abs(process.create_time() - self.began) > 2:
                return None
            return str(process.status())
        except psutil.NoSuchProcess:
            return None

    @property
    def is_alive(self) -> bool:
        return self.status not in ENDED

    @property
    def is_paused(self) -> bool:
        return self.status in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)

    def family(self) -> list[psutil.Process]:
        """This process and its descendants that are alive."""
        if not self.is_alive:
            return []
        process = psutil.Process(self.pid)
        return [process, *process.children(recursive=True)]

    def send(self, number: int) -> None:
        if self.is_alive:
            os.kill(self.pid, number)

    def send_to_family(self, number: int) -> None:
        for each in self.family():
            with suppress(psutil.NoSuchProcess):
                each.send_signal(number)

    def end(self, number: int, *, grace_seconds: float) -> None:
        """Ask with signal NUMBER; after the grace, SIGKILL."""
        family = self.family()
        self.send(number)
        self.send_to_family(signal.SIGCONT)
        if not wait_until(lambda: _are_gone(family), timeout_seconds=grace_seconds):
            _kill(family)

    def kill(self) -> None:
        """Kill it and its descendants, which would hold ports and files for a moment longer."""
        _kill(self.family())


def start(launch: Launch, *, log: Path) -> int:
    """Start it in a session of its own, away from the terminal's Ctrl-C; its pid.

    The shell between ends at once, so the process belongs to init: nobody here has to reap it.
    """
    # The log is opened here: the other user may not be allowed to.
    script = '"$@" </dev/null >&2 & echo $!'
    with log.open("ab") as output:
        run = subprocess.run(
            ["/bin/sh", "-c", script, "sh", *launch.command],
            env=dict(launch.env),
            cwd="/",
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=output,
            check=True,
            **identity(launch.user),
        )
    return int(run.stdout)


def identity(user: str | None) -> dict[str, Any]:
    """What makes `subprocess.run` become USER, for those who may: root."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def wait_until(condition: Callable[[], bool], *, timeout_seconds: float, every_seconds: float = 0.03) -> bool:
    deadline = monotonic() + timeout_seconds
    while not condition():
        if monotonic() > deadline:
            return False
        sleep(every_seconds)
    return True


def _kill(family: list[psutil.Process]) -> None:
    for each in family:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    wait_until(lambda: _are_gone(family), timeout_seconds=10)


def _are_gone(family: list[psutil.Process]) -> bool:
    return not any(_is_alive(each) for each in family)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() not in ENDED
    except psutil.NoSuchProcess:
        return False
