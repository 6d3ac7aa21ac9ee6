"""A broker and databases of the run's own, to be killed: they come back on their ports, with their data."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Protocol

from tests import services
from tests.chaos.container import Container
from tools.broker.node import Node
from tools.databases import installed
from tools.databases.database import Database
from tools.errors import ToolError
from tools.ports import is_free
from tools.process import wait_until

# Below the ports that the system gives to whoever connects: none of them takes a server's port while it is down.
PORTS = range(20_000, 30_000)
WRITTEN_SECONDS = 10.0
BROKERS = ("node", "docker")
DATABASES = (*installed.SOURCES, "sqlite")


class Broker(Protocol):
    """A node of our own, or a container."""

    @property
    def url(self) -> str: ...
    def ensure(self) -> None: ...
    def kill(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def answers(self) -> bool: ...
    def ctl(self, *arguments: str) -> str: ...
    def written(self) -> bytes: ...


class PrivateNode(Node):
    def written(self) -> bytes:
        """What it has on disk of the names of quorum queues."""
        return b"".join(path.read_bytes() for path in self.directory.glob("data/*/quorum/*/names.dets"))


@contextmanager
def broker(kind: str, directory: Path) -> Iterator[Broker]:
    """Running, and gone with its data afterwards. Raises services.Unavailable where it cannot be had."""
    own = Container(_steady(("amqp",))["amqp"]) if kind == "docker" else _node(directory)
    try:
        _have(own)
        yield own
    finally:
        own.reset()


class SQLite:
    """A file, which nobody can kill."""

    name = "SQLite"

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.url = f"sqlite:///{directory / 'db.sqlite3'}"


@contextmanager
def database(kind: str, directory: Path) -> Iterator[Database | SQLite]:
    """One of DATABASES; a server as the broker is one."""
    if kind == "sqlite":
        yield SQLite(directory)
        return
    try:
        own = installed.database(kind, directory=directory)
    except ToolError as exc:
        raise services.Unavailable(str(exc)) from exc
    own.fixed_ports = _steady(own.port_names)
    try:
        _have(own)
        yield own
    finally:
        own.reset()


def wait_until_written(broker: Broker, *queues: str) -> None:
    """A quorum queue is on disk about a second after RabbitMQ said that it is there: crash before, and it has no leader
    ever again."""
    names = [f"%2F_{queue}".encode() for queue in queues]

    def are_written() -> bool:
        written = broker.written()
        return all(name in written for name in names)

    if not wait_until(are_written, timeout_seconds=WRITTEN_SECONDS, every_seconds=0.1):
        raise RuntimeError(f"RabbitMQ has not written down {', '.join(queues)}")


def _have(server: Broker | Database) -> None:
    try:
        server.ensure()
    except ToolError as exc:
        raise services.Unavailable(str(exc)) from exc


def _node(directory: Path) -> PrivateNode:
    return PrivateNode(directory, server=services.rabbitmq_server(), ports=_steady(Node.port_names))


def _steady(names: tuple[str, ...]) -> dict[str, int]:
    random = Random()
    free: set[int] = set()
    while len(free) < len(names):
        free.update(port for port in [random.choice(PORTS)] if is_free(port))
    return dict(zip(names, free, strict=True))
