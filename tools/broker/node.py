"""A private RabbitMQ node: one directory, loopback alone, no root."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools.broker import amqp, epmd, settings
from tools.broker.server import Server
from tools.errors import ToolError
from tools.ports import HOST, Ports
from tools.process import Launch
from tools.service import Service

ERROR = re.compile(r"\[error\]|BOOT FAILED")


class Node(Service):
    """Ports: `amqp`, `management`, `distribution`, `epmd`; CONFIG are more lines of rabbitmq.conf."""

    name = "RabbitMQ node"
    port_names = ("amqp", "management", "distribution", "epmd")
    reset_hint = "make broker-reset"

    def __init__(
        self, directory: Path, *, server: Server, ports: Ports | None = None, config: Sequence[str] = ()
    ) -> None:
        super().__init__(directory, ports=ports)
        self.server = server
        self.config = config

    @property
    def url(self) -> str:
        return amqp.url(self.port("amqp"))

    @property
    def management_url(self) -> str:
        return f"http://{HOST}:{self.port('management')}/"

    @property
    def log_file(self) -> Path:
        return self.directory / "log" / "console.log"

    def ctl(self, *arguments: str, timeout_seconds: float = 60) -> str:
        """What rabbitmqctl prints: `ctl("list_queues", "name", "messages")`."""
        run = subprocess.run(
            [self.server.ctl, "--silent", *arguments],
            env=settings.environment(self.directory, ports=self.state.ports),
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        if run.returncode:
            raise ToolError(f"rabbitmqctl {' '.join(arguments)}: {run.stderr.strip() or run.stdout.strip()}")
        return run.stdout

    def prepare(self, ports: Ports) -> Launch:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        settings.write(self.directory, ports=ports, extra=self.config)
        environment = settings.environment(self.directory, ports=ports)
        return Launch(command=[self.server.start, "-noinput"], env=environment)

    def responds(self, ports: Ports) -> bool:
        return amqp.responds(HOST, ports["amqp"])

    def telling(self, log: list[str]) -> list[str]:
        """The log from the first error on. Its end is only about Erlang."""
        first = next((number for number, line in enumerate(log) if ERROR.search(line)), len(log) - 12)
        return log[max(first, 0) :][:12]

    def clean_up(self, ports: Ports) -> None:
        if "epmd" in ports:
            epmd.stop(ports["epmd"])
