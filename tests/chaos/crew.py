"""The processes of a run, each with a log of its own, replaced when they die."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
GRACE_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """How many there are at a time, and how one is started: Python's arguments, given its name."""

    count: int
    command: Callable[[str], Sequence[str]]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Member:
    """A process. `expected` are the exit codes that the run has brought about; any other is its own doing."""

    name: str
    role: str
    process: subprocess.Popen[bytes]
    log: Path
    expected: frozenset[int] = frozenset((0,))

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    @property
    def died(self) -> bool:
        return not self.is_running and self.process.returncode not in self.expected

    def send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(number)


class Crew:
    """All that the processes write is in `folder`."""

    def __init__(self, folder: Path, roles: Mapping[str, Role], env: Mapping[str, str]) -> None:
        self.folder = folder
        self.roles = roles
        self.members: list[Member] = []
        # Roles that nobody is to have any more.
        self.stopped: set[str] = set()
        self._env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.chaos.settings", **env}

    @property
    def journals(self) -> list[Path]:
        """What the writers noted, those that were killed included."""
        return sorted(self.folder.glob("*.journal"))

    def manage(self, *arguments: str, **env: str) -> None:
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(command, cwd=ROOT, env={**self._env, **env}, check=True, timeout=60, stdout=subprocess.DEVNULL)

    def start(self, role: str) -> Member:
        name = f"{role}-{len(self.members)}"
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *self.roles[role].command(name)],
                cwd=ROOT,
                env={**self._env, **self.roles[role].env, "CHAOS_NAME": name},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.members.append(Member(name=name, role=role, process=process, log=log))
        return self.members[-1]

    def replace_the_dead(self, *roles: str) -> None:
        """As a supervisor would, in these roles or in all; what died by itself is told in the end."""
        for role in roles or [role for role in self.roles if role not in self.stopped]:
            for _ in range(self.roles[role].count - len(self.running(role))):
                self.start(role)

    def running(self, role: str) -> list[Member]:
        return [member for member in self.members if member.role == role and member.is_running]

    def kill(self, member: Member) -> None:
        member.expected |= {-signal.SIGKILL}
        member.process.kill()
        member.process.wait()

    def stop(self, role: str) -> None:
        """Ask, and wait; after the grace, SIGKILL."""
        self.stopped.add(role)
        members = self.running(role)
        for member in members:
            # One that still starts has no handler for the signal yet.
            member.expected |= {-signal.SIGTERM}
            member.send(signal.SIGTERM)
        for member in members:
            self.wait(member)

    def wait(self, member: Member) -> float:
        """For its end; how many seconds that took. One that does not end dies, and is told of as one that died."""
        began = time.monotonic()
        try:
            member.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            member.process.kill()
            member.process.wait()
        return time.monotonic() - began

    def died(self, is_excused: Callable[[Member], bool] = lambda member: False) -> Iterator[str]:
        """Those that ended by themselves, or otherwise than they were asked to, with what they said last."""
        for member in self.members:
            if member.died and not is_excused(member):
                last = member.log.read_text(errors="replace").strip().splitlines()[-3:]
                yield " | ".join([f"{member.name} ended with {member.process.returncode}", *last])

    def close(self) -> None:
        for member in self.members:
            with suppress(ProcessLookupError):
                member.process.kill()
            member.process.wait()
