"""Gets RabbitMQ onto this machine, for private nodes to run."""

from tools import packages
from tools.broker import server
from tools.broker.server import Server
from tools.errors import InstallError


def present() -> Server:
    found = server.find()
    if found is None:
        raise InstallError("`rabbitmq-server` is nowhere to be found")
    return found


def apt() -> Server:
    packages.apt_install(["rabbitmq-server"], service="rabbitmq-server")
    return present()


def brew() -> Server:
    packages.brew_install("rabbitmq")
    return present()
