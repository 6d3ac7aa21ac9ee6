"""A private PostgreSQL."""

import shutil
import signal
import subprocess
from pathlib import Path

from tools.databases import account
from tools.databases.database import Database
from tools.ports import HOST, Ports

# A crash of the server, unlike one of the machine, loses nothing without fsync.
OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "fsync": "off",
    "full_page_writes": "off",
}


class Postgres(Database):
    name = "PostgreSQL"
    engine = "django.db.backends.postgresql"
    scheme = "postgres"
    database = "postgres"
    accounts = ("postgres",)
    # Ends open sessions instead of waiting for them.
    stop_signal = signal.SIGINT

    def create(self) -> None:
        password = account.hand_over(self.home / "password", self.password, self.user)
        secured = ["--auth=scram-sha-256", f"--pwfile={password}", f"--username={self.login}"]
        plain = ["--encoding=UTF8", "--locale=C", "--no-sync"]
        self.run(self.program("initdb"), f"--pgdata={self.data}", *secured, *plain)

    def command(self, port: int) -> list[str]:
        options = [argument for name, value in OPTIONS.items() for argument in ("-c", f"{name}={value}")]
        return [self.program("postgres"), "-D", str(self.data), "-p", str(port), *options]

    def responds(self, ports: Ports) -> bool:
        ask = [self.program("pg_isready"), "--host", HOST, "--port", str(ports["sql"]), "--timeout", "1"]
        return subprocess.run(ask, capture_output=True, check=False).returncode == 0


def programs() -> Path | None:
    """The newest that is installed."""
    on_path = shutil.which("postgres")
    candidates = [
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True),
        *sorted(Path("/opt/homebrew/opt").glob("postgresql*/bin"), reverse=True),
        *([Path(on_path).resolve().parent] if on_path else []),
    ]
    return next((path for path in candidates if (path / "initdb").exists()), None)
