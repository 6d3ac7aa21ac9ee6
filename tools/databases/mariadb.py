"""A private MariaDB."""

import shutil
import socket
from contextlib import suppress
from pathlib import Path

from tools.databases import account
from tools.databases.database import Database
from tools.ports import HOST, Ports

PROTOCOL_VERSION = 10


class MariaDB(Database):
    name = "MariaDB"
    engine = "django.db.backends.mysql"
    scheme = "mysql"
    database = "signal_bridge"
    accounts = ("mysql", "mariadb")

    def create(self) -> None:
        # Some of its checks run as the user that it would become, some as the caller.
        self.run(
            self.program("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={self.data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )

    def command(self, port: int) -> list[str]:
        options = {
            "datadir": str(self.data),
            "port": str(port),
            "bind-address": HOST,
            "socket": str(self.home / "socket"),
            "pid-file": str(self.home / "pid"),
            "init-file": str(self._init_file()),
            "skip-name-resolve": "ON",
            "character-set-server": "utf8mb4",
            "innodb-flush-log-at-trx-commit": "2",
        }
        return [_server(self.programs), "--no-defaults", *(f"--{name}={value}" for name, value in options.items())]

    def responds(self, ports: Ports) -> bool:
        """It speaks first, once it has started: packet length, sequence, protocol version."""
        with suppress(OSError), socket.create_connection((HOST, ports["sql"]), timeout=1) as connection:
            greeting = connection.recv(5)
            return len(greeting) == 5 and greeting[4] == PROTOCOL_VERSION
        return False

    def _init_file(self) -> Path:
        """One statement a line. Root comes in through the socket alone, in a directory closed to others."""
        user = f"'{self.login}'@'{HOST}'"
        lines = [
            f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '{self.password}';",
            f"GRANT ALL PRIVILEGES ON *.* TO {user} WITH GRANT OPTION;",
            "DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost';",
            "FLUSH PRIVILEGES;",
            f"CREATE DATABASE IF NOT EXISTS {self.database} CHARACTER SET utf8mb4;",
        ]
        return account.hand_over(self.home / "init.sql", "\n".join(lines) + "\n", self.user)


def programs() -> Path | None:
    """Where `mariadb-install-db` is; the server may be in an sbin beside it."""
    installer = shutil.which("mariadb-install-db")
    return Path(installer).parent if installer else None


def _server(programs: Path) -> str:
    candidates = [programs / "mariadbd", programs.parent / "sbin" / "mariadbd"]
    return str(next((path for path in candidates if path.exists()), "mariadbd"))
