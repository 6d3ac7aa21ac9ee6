"""What PostgreSQL and MariaDB have in common as private servers."""

import os
import shutil
import subprocess
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from tools.databases import account
from tools.errors import StartError
from tools.ports import HOST, Ports
from tools.process import Launch, identity
from tools.service import Service


class Database(Service):
    """PROGRAMS is the directory of the server's programs."""

    port_names = ("sql",)
    reset_hint = "make services-reset"
    engine: ClassVar[str]
    scheme: ClassVar[str]
    database: ClassVar[str]
    login: ClassVar[str] = "signal_bridge"
    accounts: ClassVar[tuple[str, ...]]

    def __init__(self, directory: Path, *, programs: Path) -> None:
        super().__init__(directory)
        self.programs = programs
        self.user = account.unprivileged(*self.accounts)

    @property
    def settings(self) -> dict[str, Any]:
        """An entry of Django's DATABASES."""
        return {
            "ENGINE": self.engine,
            "NAME": self.database,
            "USER": self.login,
            "PASSWORD": self.password,
            "HOST": HOST,
            "PORT": self.port("sql"),
        }

    @property
    def url(self) -> str:
        """As DATABASE_URL has it."""
        return f"{self.scheme}://{self.login}:{self.password}@{HOST}:{self.port('sql')}/{self.database}"

    @property
    def password(self) -> str:
        return account.password(self.directory)

    @property
    def home(self) -> Path:
        return account.home(self.directory, self.user)

    @property
    def data(self) -> Path:
        return self.home / "data"

    @abstractmethod
    def create(self) -> None:
        """Fill an empty data directory."""

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """What runs the server."""

    def prepare(self, ports: Ports) -> Launch:
        done = self.home / "created"
        if not done.exists():
            # Half of one, from a run that was interrupted.
            shutil.rmtree(self.data, ignore_errors=True)
            self.create()
            done.touch()
        return Launch(command=self.command(ports["sql"]), env=self.environment(), user=self.user)

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "LC_ALL": "C"}

    def program(self, name: str) -> str:
        return str(self.programs / name)

    def run(self, *command: str) -> None:
        run = subprocess.run(
            command,
            env=self.environment(),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            **identity(self.user),
        )
        if run.returncode:
            raise StartError(f"`{command[0]}` failed:\n{run.stderr.strip() or run.stdout.strip()}")
