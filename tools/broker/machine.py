"""Looks at this machine for what a broker can be made of."""

import os

from tools import docker, packages
from tools.broker import server
from tools.broker.choice import Machine


def look() -> Machine:
    """A given URL settles it, without a look at anything else."""
    if url := os.environ.get("BROKER_URL"):
        return Machine(broker_url=url)
    return around()


def around() -> Machine:
    """What is here, URL or not; an installed server needs no package manager."""
    has_server = server.find() is not None
    return Machine(
        has_docker=docker.answers(),
        has_server=has_server,
        can_apt=not has_server and packages.can_apt(),
        can_brew=not has_server and packages.can_brew(),
    )
