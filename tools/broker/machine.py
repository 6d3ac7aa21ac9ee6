"""Looks at this machine for what a broker can be made of."""

import os

from tools import docker, packages
from tools.broker import server
from tools.broker.choice import Machine


def look() -> Machine:
    """What there is. If BROKER_URL is set, nothing else is looked for."""
    if url := os.environ.get("BROKER_URL"):
        return Machine(broker_url=url)
    return around()


def around() -> Machine:
    """What there is besides BROKER_URL. Package managers do not count if RabbitMQ is installed."""
    has_server = server.find() is not None
    return Machine(
        has_docker=docker.answers(),
        has_server=has_server,
        can_apt=not has_server and packages.can_apt(),
        can_brew=not has_server and packages.can_brew(),
    )
