"""Finds a broker, or starts one, by the first way that works."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tools.broker import amqp, compose, install, machine
from tools.broker.choice import NOTHING, Machine, Way, ways
from tools.broker.node import Node
from tools.broker.server import Server
from tools.errors import ToolError
from tools.ports import HOST, Ports
from tools.progress import say

CHECKOUT = Path(__file__).parents[2]
SERVERS: dict[Way, Callable[[], Server]] = {
    Way.NODE: install.present,
    Way.APT: install.apt,
    Way.BREW: install.brew,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A broker to connect to; the console's address is None where only its AMQP URL is known."""

    way: Way
    url: str
    management_url: str | None = None
    node: Node | None = None


def directory() -> Path:
    return Path(os.environ.get("SIGNAL_BRIDGE_NODE_DIR") or CHECKOUT / ".broker")


def configured_ports() -> Ports:
    variables = {"amqp": "SIGNAL_BRIDGE_AMQP_PORT", "management": "SIGNAL_BRIDGE_MANAGEMENT_PORT"}
    return {name: int(os.environ[variable]) for name, variable in variables.items() if os.environ.get(variable)}


def find(offers: Machine | None = None) -> Broker:
    """Try one way after the other. Raises ToolError with all reasons if none works."""
    failures = []
    for way in ways(offers or machine.look()):
        try:
            broker = WAYS[way]()
        except ToolError as exc:
            say(f"Not to be had: {way.value}. {exc}")
            failures.append(f"{way.value}: {exc}")
        else:
            say(f"Broker: {amqp.without_password(broker.url)}, {way.value}")
            return broker
    raise ToolError("\n".join([NOTHING, *failures]))


def node(installed: Server) -> Node:
    """This checkout's node, running or not."""
    return Node(directory(), server=installed, ports=configured_ports())


def _given() -> Broker:
    return Broker(way=Way.URL, url=os.environ["BROKER_URL"], management_url=os.environ.get("SIGNAL_BRIDGE_CONSOLE_URL"))


def _in_docker() -> Broker:
    amqp_port, management_port = compose.ensure()
    return Broker(way=Way.DOCKER, url=amqp.url(amqp_port), management_url=f"http://{HOST}:{management_port}/")


def _private(way: Way) -> Broker:
    own = node(SERVERS[way]())
    own.ensure()
    return Broker(way=way, url=own.url, management_url=own.management_url, node=own)


WAYS: dict[Way, Callable[[], Broker]] = {
    Way.URL: _given,
    Way.DOCKER: _in_docker,
    **{way: partial(_private, way) for way in SERVERS},
}
