"""Opens an AMQP connection: to the first of several hosts that answers, within a limit for all of them together."""

# Python imports this codec for the first host name that it looks up. That would be in the background thread of a direct
# delivery. If the process forked in the middle of that import, the child would wait for the import forever.
import encodings.idna  # noqa: F401
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import pika

from publisher.wire.errors import BrokerUnavailable
from publisher.wire.hosts import each_host
from publisher.wire.loop import Loop
from publisher.wire.reading import ReadingConnection
from publisher.wire.translation import translated
from publisher.wire.url import OPEN_SECONDS, address_of, parameters_of


class Host(NamedTuple):
    """`address` is the host as it is shown in messages, `parameters` are what pika connects with."""

    address: str
    parameters: pika.connection.Parameters


def hosts_of(url: str, name: str) -> list[Host]:
    """The hosts that `url` names. Raises BrokerRefused if the URL is wrong for one of them."""
    # The parameters first: they tell what is wrong with a URL from which no address can be read.
    return [Host(parameters=parameters_of(each, name), address=address_of(each)) for each in each_host(url)]


def open_any(hosts: Sequence[Host], loop: Loop) -> tuple[str, ReadingConnection]:
    """The address and the connection of the first host that answers. Raises BrokerUnavailable or BrokerRefused."""
    away: list[BrokerUnavailable] = []
    for host in hosts:
        try:
            return host.address, _opened(host, loop, OPEN_SECONDS / len(hosts))
        except BrokerUnavailable as exc:
            away.append(exc)
    raise BrokerUnavailable("; ".join(map(str, away))) from away[-1]


def _opened(host: Host, loop: Loop, seconds: float) -> ReadingConnection:
    done: list[Any] = []
    workflow = ReadingConnection.create_connection([host.parameters], done.append, loop.ioloop)
    deadline = time.monotonic() + seconds
    while not done and time.monotonic() < deadline:
        loop.poll(0.5)
    if not done:
        _abandon(workflow)
        raise BrokerUnavailable(f"no answer from {host.address} within {seconds:g} seconds")
    if isinstance(done[0], BaseException):
        raise translated(done[0], host.address) from done[0]
    amqp: ReadingConnection = done[0]
    return amqp


def _abandon(workflow: Any) -> None:
    """Stop connecting, and close the socket.

    pika 1.4.4 has a bug: its `abort` fails an assertion while the broker's first frame is awaited. Then this closes the
    half-open connection, as `abort` would have done.
    """
    try:
        workflow.abort()
    except AssertionError:
        if not workflow._connector._amqp_conn.is_closing:
            workflow._connector._amqp_conn.close()
