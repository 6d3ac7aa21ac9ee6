"""Where this machine keeps RabbitMQ's programs."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

# Debian's /usr/sbin/rabbitmq-server insists on root; the script below it does not.
PACKAGED = (
    Path("/usr/lib/rabbitmq/bin"),
    Path("/opt/homebrew/opt/rabbitmq/sbin"),
    Path("/usr/local/opt/rabbitmq/sbin"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """An installed RabbitMQ: the directory that holds its scripts."""

    scripts: Path

    @property
    def start(self) -> str:
        return str(self.scripts / "rabbitmq-server")

    @property
    def ctl(self) -> str:
        return str(self.scripts / "rabbitmqctl")


def find() -> Server | None:
    """The one that SIGNAL_BRIDGE_RABBITMQ names, a packaged one, or the one on the PATH."""
    if named := os.environ.get("SIGNAL_BRIDGE_RABBITMQ"):
        return Server(scripts=Path(named))
    on_path = shutil.which("rabbitmq-server")
    candidates = [*PACKAGED, *([Path(on_path).resolve().parent] if on_path else [])]
    return next((Server(scripts=path) for path in candidates if (path / "rabbitmq-server").exists()), None)
