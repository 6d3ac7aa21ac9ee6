"""Which ways to a broker this machine offers, and in which order they are tried."""

from dataclasses import dataclass
from enum import Enum


class Way(Enum):
    URL = "the broker that BROKER_URL names"
    DOCKER = "RabbitMQ in Docker"
    NODE = "a private node of the installed RabbitMQ"
    APT = "a private node of RabbitMQ, installed with apt"
    BREW = "a private node of RabbitMQ, installed with Homebrew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What this machine has to make or reach a broker with."""

    broker_url: str | None = None
    has_docker: bool = False
    has_server: bool = False
    can_apt: bool = False
    can_brew: bool = False


NOTHING = """\
No broker can be had on this machine. Any one of these will do:
  - set BROKER_URL, for example to amqp://user:password@host:5672/%2F
  - start a Docker engine (`docker info` must answer)
  - install RabbitMQ so that `rabbitmq-server` is found; it is run as a private node, without root
  - on Debian or Ubuntu: run this as root or with passwordless sudo, and apt installs it
  - on macOS: install Homebrew, and brew installs it"""


def ways(machine: Machine) -> tuple[Way, ...]:
    """The ways to try, in order of preference. If a URL was given, no other way."""
    if machine.broker_url:
        return (Way.URL,)
    offers = {
        Way.DOCKER: machine.has_docker,
        Way.NODE: machine.has_server,
        Way.APT: machine.can_apt and not machine.has_server,
        Way.BREW: machine.can_brew and not machine.has_server,
    }
    return tuple(way for way, is_offered in offers.items() if is_offered)
