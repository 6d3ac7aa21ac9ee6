"""The life of a private server: started in its own directory, found by the next run, ended by pid."""

import shutil
import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import msgspec

from tools.errors import StartError
from tools.lock import exclusive
from tools.ports import Ports, assign, is_free
from tools.process import Launch, Process, start, wait_until
from tools.progress import say, step


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the next run has to know. After a stop `process` is None, and the ports are kept."""

    ports: dict[str, int] = field(default_factory=dict)
    process: Process | None = None
    has_booted: bool = False


class Service(ABC):
    """One server on loopback ports; subclasses say how it is started and when it answers."""

    name: ClassVar[str]
    port_names: ClassVar[tuple[str, ...]]
    reset_hint: ClassVar[str]
    stop_signal: ClassVar[int] = signal.SIGTERM
    boot_seconds: ClassVar[float] = 60
    patience_seconds: ClassVar[float] = 5

    def __init__(self, directory: Path, *, ports: Ports | None = None) -> None:
        self.directory = directory.absolute()
        self.fixed_ports = ports or {}

    @abstractmethod
    def prepare(self, ports: Ports) -> Launch:
        """Write what the server reads, and say how to start it."""

    @abstractmethod
    def responds(self, ports: Ports) -> bool:
        """Whether it answers in its protocol, within about a second."""

    def clean_up(self, ports: Ports) -> None:  # noqa: B027
        """End what the server leaves behind, if anything."""

    def telling(self, log: list[str]) -> list[str]:
        """The lines of the log that say why it did not start."""
        return log[-12:]

    @property
    def state_file(self) -> Path:
        return self.directory / "node.json"

    @property
    def log_file(self) -> Path:
        return self.directory / "console.log"

    @property
    def state(self) -> State:
        """Empty when the file is missing or damaged."""
        try:
            return msgspec.json.decode(self.state_file.read_bytes(), type=State)
        except (FileNotFoundError, msgspec.DecodeError):
            return State()

    @property
    def process(self) -> Process | None:
        """The server's, while it lives."""
        process = self.state.process
        return process if process and process.is_alive else None

    def port(self, name: str) -> int:
        return self.state.ports[name]

    def answers(self) -> bool:
        return self.process is not None and self.responds(self.state.ports)

    def ensure(self) -> None:
        """Reuse the server that runs, restart the one that hangs, start one where there is none."""
        if self.answers():
            return
        with self._alone():
            if self.process is None or not self._recovers(self.process):
                # Killed, not asked to stop: it hangs.
                self.kill()
                self._end()
                self._start()

    def stop(self) -> None:
        with self._alone():
            self._end()

    def reset(self) -> None:
        """Kill it, and delete all its files."""
        with self._alone():
            self.kill()
            self._end()
            for path in self.directory.iterdir():
                if path.name != "lock":
                    delete(path)

    def kill(self) -> None:
        """End it like a crash. `ensure()` starts it again, on the same ports and with its data."""
        if process := self.process:
            process.kill()

    def pause(self) -> None:
        if process := self.process:
            process.send_to_family(signal.SIGSTOP)
            wait_until(lambda: process.is_paused, timeout_seconds=5)

    def resume(self) -> None:
        if process := self.process:
            process.send_to_family(signal.SIGCONT)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with exclusive(self.directory / "lock"):
            yield

    def _recovers(self, process: Process) -> bool:
        """Whether the live process answers soon. If an interrupted run started it, it may still be booting."""
        patience = self.patience_seconds if self.state.has_booted else self.boot_seconds
        if not process.is_paused and wait_until(self.answers, timeout_seconds=patience):
            return True
        say(f"The {self.name} with pid {process.pid} does not answer: restarting it, its data is kept")
        return False

    def _start(self) -> None:
        for is_last in (False, True):
            try:
                return self._start_once()
            except StartError:
                # Between the look for a free port and its use, another process may have taken it.
                if is_last or not self._lost_a_port():
                    raise
                self._end()

    def _start_once(self) -> None:
        ports = dict(assign(self.port_names, fixed=self.fixed_ports, last=self.state.ports))
        self._write(State(ports=ports))
        launch = self.prepare(ports)
        self.log_file.write_bytes(b"")
        with step(f"Starting {self.name}"):
            pid = start(launch, log=self.log_file)
            self._write(State(ports=ports, process=Process.of(pid)))
            wait_until(lambda: self.answers() or self.process is None, timeout_seconds=self.boot_seconds)
            if not self.answers():
                raise StartError(self._failure())
        self._write(replace(self.state, has_booted=True))

    def _end(self) -> None:
        state = self.state
        if state.process:
            state.process.end(self.stop_signal, grace_seconds=15)
        self.clean_up(state.ports)
        self._write(State(ports=state.ports))

    def _lost_a_port(self) -> bool:
        return self.process is None and not all(is_free(port) for port in self.state.ports.values())

    def _failure(self) -> str:
        lines = self.telling(self.log_file.read_text(errors="replace").strip().splitlines())
        what = "ended while starting" if self.process is None else f"did not answer in {self.boot_seconds:.0f} s"
        last = ["From its log:", *lines] if lines else []
        hint = f"If the data it kept in {self.directory} is damaged, `{self.reset_hint}` starts afresh."
        return "\n".join([f"The {self.name} {what} ({self.log_file}).", *last, hint])

    def _write(self, state: State) -> None:
        """Replace the file in one step, so that a reader never sees half of it."""
        new = self.state_file.with_suffix(".new")
        new.write_bytes(msgspec.json.format(msgspec.json.encode(state)))
        new.replace(self.state_file)


def delete(path: Path) -> None:
    """Delete a file or a directory; with a link also the directory that it leads to."""
    if path.is_symlink():
        shutil.rmtree(path.resolve(), ignore_errors=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
