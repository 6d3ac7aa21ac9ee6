"""The demo's RabbitMQ in Docker: the `rabbitmq` service of docker-compose.yml, a container of this checkout's own."""

import os
import subprocess
from hashlib import sha256
from pathlib import Path

from tools.broker import amqp
from tools.errors import StartError
from tools.ports import HOST, is_free
from tools.process import wait_until
from tools.progress import step

CHECKOUT = Path(__file__).parents[2]
# What the compose file publishes where nothing is configured.
DEFAULTS = {"SIGNAL_BRIDGE_AMQP_PORT": 5672, "SIGNAL_BRIDGE_MANAGEMENT_PORT": 15672}
START_SECONDS = 600


def ensure() -> tuple[int, int]:
    """Ports of AMQP and the console of the container that runs, or of one that is started now."""
    ports = running()
    if ports is None:
        _up()
        ports = running()
    if ports is None or not wait_until(lambda: amqp.responds(HOST, ports[0]), timeout_seconds=30):
        raise StartError("RabbitMQ was started in Docker, but its port does not answer from here")
    return ports


def running() -> tuple[int, int] | None:
    amqp_port, management_port = _published(5672), _published(15672)
    return (amqp_port, management_port) if amqp_port and management_port else None


def stop() -> bool:
    """Whether there was one to stop."""
    if not _containers("--status", "running"):
        return False
    return _compose("stop", timeout_seconds=60).returncode == 0


def reset() -> bool:
    """Whether there was one to delete, with its data."""
    if not _containers("--all"):
        return False
    return _compose("down", "--volumes", timeout_seconds=60).returncode == 0


def project() -> str:
    """The Compose project's name. Each checkout has its own, so that it neither uses nor stops another one's broker."""
    return f"signal-bridge-{sha256(bytes(CHECKOUT.resolve())).hexdigest()[:8]}"


def _containers(*which: str) -> list[str]:
    return _compose("ps", "--quiet", *which, timeout_seconds=15).stdout.split()


def _up() -> None:
    with step("Starting RabbitMQ in Docker"):
        run = _compose("up", "--detach", "--wait", "rabbitmq", timeout_seconds=START_SECONDS)
    if run.returncode:
        raise StartError("\n".join(["`docker compose up rabbitmq` failed:", *run.stderr.splitlines()[-8:]]))


def _published(port: int) -> int | None:
    run = _compose("port", "rabbitmq", str(port), timeout_seconds=15)
    return int(run.stdout.strip().rpartition(":")[2]) if run.returncode == 0 and run.stdout.strip() else None


def _compose(*arguments: str, timeout_seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["docker", "compose", "--project-name", project(), *arguments],
            cwd=CHECKOUT,
            env={**os.environ, **_free_ports()},
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise StartError(f"`docker compose {arguments[0]}` did not end in {timeout_seconds:.0f} s") from exc


def _free_ports() -> dict[str, str]:
    """Port 0, which means any free port, for those that are not configured and whose default is taken."""
    return {name: "0" for name, port in DEFAULTS.items() if name not in os.environ and not is_free(port)}
