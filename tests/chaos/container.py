"""RabbitMQ in Docker, to be killed as a private node is."""

import subprocess
import uuid

from tests.services import RABBITMQ_IMAGE
from tools import docker
from tools.broker import amqp
from tools.errors import StartError, ToolError
from tools.ports import HOST
from tools.process import wait_until

START_SECONDS = 60.0
NAMES = "/var/lib/rabbitmq/mnesia"


class Container:
    """`kill` is SIGKILL of all that runs in it; `ensure` starts it again, with its data, on the same port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.name = f"signal-bridge-chaos-{uuid.uuid4().hex[:12]}"
        self.is_there = False

    @property
    def url(self) -> str:
        return amqp.url(self.port)

    def ensure(self) -> None:
        if not self.is_there:
            self._create()
        elif not self.answers():
            self._docker("start", self.name)
        if not wait_until(self.answers, timeout_seconds=START_SECONDS, every_seconds=0.1):
            raise StartError(f"{RABBITMQ_IMAGE} does not answer:\n{self._docker('logs', '--tail', '12', self.name)}")

    def kill(self) -> None:
        self._docker("kill", "--signal", "KILL", self.name)
        self._docker("wait", self.name)

    def pause(self) -> None:
        self._docker("pause", self.name)

    def resume(self) -> None:
        self._docker("unpause", self.name)

    def answers(self) -> bool:
        return amqp.responds(HOST, self.port)

    def ctl(self, *arguments: str) -> str:
        return self._docker("exec", self.name, "rabbitmqctl", "--silent", *arguments)

    def written(self) -> bytes:
        return self._docker("exec", self.name, "sh", "-c", f"cat {NAMES}/*/quorum/*/names.dets").encode()

    def reset(self) -> None:
        if self.is_there:
            self._docker("rm", "--force", "--volumes", self.name)

    def _create(self) -> None:
        if not docker.answers():
            raise StartError("no Docker engine answers")
        if not docker.has_image(RABBITMQ_IMAGE):
            raise StartError(f"Docker cannot get {RABBITMQ_IMAGE}")
        # The node's data are kept under its host's name.
        publish = f"{HOST}:{self.port}:5672"
        self._docker(
            "run", "--detach", "--name", self.name, "--hostname", "chaos", "--publish", publish, RABBITMQ_IMAGE
        )
        self.is_there = True

    def _docker(self, *arguments: str) -> str:
        run = subprocess.run(["docker", *arguments], capture_output=True, timeout=60, check=False)
        if run.returncode:
            raise ToolError(f"docker {' '.join(arguments)}: {run.stderr.decode(errors='replace').strip()}")
        return run.stdout.decode(errors="replace")
