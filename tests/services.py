"""The real servers that tests run against: found, or started, and kept for the next run."""

import importlib.util
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tools import docker
from tools.broker import amqp, found, machine
from tools.broker.choice import NOTHING, Way, ways
from tools.broker.node import Node
from tools.broker.server import Server
from tools.databases import installed
from tools.errors import StartError, ToolError
from tools.ports import HOST, Ports
from tools.progress import step
from tools.service import Service

RABBITMQ_IMAGE = "rabbitmq:4-management"
POSTGRES_IMAGE = "postgres:17"
DIRECTORY = installed.DIRECTORY
# The brokers of this session, as they are told of at its end.
used: set[str] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerService:
    """KIND is `url`, `docker` or `node`; CTL is rabbitmqctl, where the broker is ours to command."""

    url: str
    management_url: str | None
    kind: str
    ctl: Callable[..., object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseService:
    """SETTINGS is an entry of Django's DATABASES; SERVER stops, kills and pauses it, where it is ours."""

    settings: dict[str, Any]
    url: str
    server: Service | None = None


class Unavailable(Exception):
    """What this machine cannot offer, and why."""


def give_up(reason: object) -> NoReturn:
    """A visible skip; on CI, where everything must be there, a failure."""
    if os.environ.get("CI"):
        pytest.fail(str(reason), pytrace=False)
    pytest.skip(str(reason))


@contextmanager
def broker() -> Iterator[BrokerService]:
    """BROKER_URL, Docker, or a private node in `.services/`, which stays for the next run."""
    with ExitStack() as stack:
        service = _first_that_works(stack)
        used.add(f"{amqp.without_password(service.url)} ({service.kind})")
        yield service


def kept_node() -> Node:
    """The private node that stays for the next run; not to be harmed."""
    own = Node(DIRECTORY / "rabbitmq", server=rabbitmq_server())
    own.ensure()
    return own


@contextmanager
def node(directory: Path, *, config: tuple[str, ...] = (), ports: Ports | None = None) -> Iterator[Node]:
    """A node of the test's own, gone with all its data afterwards."""
    own = Node(directory, server=rabbitmq_server(), config=config, ports=ports)
    try:
        own.ensure()
        yield own
    finally:
        own.reset()


@contextmanager
def postgres() -> Iterator[DatabaseService]:
    if installed.POSTGRES.find() is None and docker.answers() and docker.has_image(POSTGRES_IMAGE):
        with _postgres_in_docker() as service:
            yield service
    else:
        yield _database("postgres")


@contextmanager
def mariadb() -> Iterator[DatabaseService]:
    if not any(map(importlib.util.find_spec, ("MySQLdb", "pymysql"))):
        raise Unavailable("no driver is installed: pip install '.[mysql]'")
    yield _database("mariadb")


def rabbitmq_server() -> Server:
    """Installed, now if need be: a container does not stand in for a node that is to be killed."""
    for way, get in found.SERVERS.items():
        if way in ways(machine.around()):
            return get()
    raise Unavailable("`rabbitmq-server` is not installed")


def _first_that_works(stack: ExitStack) -> BrokerService:
    reasons = []
    for way in ways(machine.look()):
        try:
            if way is Way.URL:
                return _given()
            if way is Way.DOCKER:
                return stack.enter_context(_broker_in_docker())
            return _private_broker(way)
        except ToolError as exc:
            reasons.append(f"{way.value}: {exc}")
    raise Unavailable("\n".join([NOTHING, *reasons]))


def _given() -> BrokerService:
    url = os.environ["BROKER_URL"]
    return BrokerService(url=url, management_url=os.environ.get("SIGNAL_BRIDGE_CONSOLE_URL"), kind="url")


def _private_broker(way: Way) -> BrokerService:
    own = Node(DIRECTORY / "rabbitmq", server=found.SERVERS[way]())
    own.ensure()
    return BrokerService(url=own.url, management_url=own.management_url, kind="node", ctl=own.ctl)


@contextmanager
def _broker_in_docker() -> Iterator[BrokerService]:
    # Its own modules use what it has deprecated.
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        from testcontainers.rabbitmq import RabbitMqContainer

    with _running(RabbitMqContainer(RABBITMQ_IMAGE), 5672, 15672) as container:
        host, port = container.get_container_host_ip(), int(container.get_exposed_port(5672))
        console = f"http://{host}:{container.get_exposed_port(15672)}/"
        url = amqp.url(port, host=host)
        yield BrokerService(url=url, management_url=console, kind="docker", ctl=partial(_ctl_in_docker, container))


def _ctl_in_docker(container: Any, *arguments: str) -> None:
    done = container.exec(["rabbitmqctl", *arguments])
    if done.exit_code:
        raise StartError(f"rabbitmqctl {' '.join(arguments)}: {done.output.decode(errors='replace').strip()}")


@contextmanager
def _postgres_in_docker() -> Iterator[DatabaseService]:
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        from testcontainers.postgres import PostgresContainer

    with _running(PostgresContainer(POSTGRES_IMAGE, driver=None), 5432) as container:
        settings = {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": container.dbname,
            "USER": container.username,
            "PASSWORD": container.password,
            "HOST": container.get_container_host_ip(),
            "PORT": int(container.get_exposed_port(5432)),
        }
        yield DatabaseService(settings=settings, url=container.get_connection_url())


@contextmanager
def _running(container: Any, *ports: int) -> Iterator[Any]:
    from testcontainers.core.config import testcontainers_config as config

    if not docker.has_image(container.image):
        raise StartError(f"Docker cannot get {container.image}")
    # Ryuk ends containers whose test run was killed: worth an image where it can be had.
    config.ryuk_disabled = config.ryuk_disabled or not docker.has_image(config.ryuk_image)
    with step(f"Starting {container.image} for the tests"):
        try:
            _on_loopback(container.with_exposed_ports(*ports)).start()
        except Exception as exc:
            container.stop()
            raise StartError(f"{container.image} does not start in Docker: {exc}") from exc
    try:
        yield container
    finally:
        container.stop()


def _on_loopback(container: Any) -> Any:
    """Docker publishes on every interface by itself, which only an engine elsewhere needs."""
    if os.environ.get("DOCKER_HOST", "unix:").startswith("unix:"):
        container.ports = dict.fromkeys(container.ports, (HOST, None))
        container.get_container_host_ip = lambda: HOST
    return container


def _database(name: str) -> DatabaseService:
    try:
        server = installed.database(name)
        server.ensure()
    except ToolError as exc:
        raise Unavailable(str(exc)) from exc
    return DatabaseService(settings=server.settings, url=server.url, server=server)
