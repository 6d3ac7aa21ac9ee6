"""What has to be there before the curtain rises: a migrated and seeded database, a port, a broker."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from consumers.bindings import topology_of
from consumers.discovery import discover
from consumers.exceptions import HandlersNotImportable
from project.blog.seed import seed
from publisher import conf
from publisher.models import OutboxEvent
from publisher.wire.connection import Connection
from publisher.wire.errors import BrokerRefused, BrokerUnavailable
from publisher.wire.topology import dead_queue

HOST = "127.0.0.1"
FIRST_PORT = 8000
PORTS_TRIED = 100


class StageMissing(Exception):
    """Something that the demo stands on is not there."""


@contextmanager
def queues() -> Iterator[list[str]]:
    """Declares them before anything is published: on a fresh broker it would be unroutable.

    Those that were not there before are deleted at the end. Bound to all that comes, and read by nobody, they would
    fill with the events of whoever shares the broker, and hide that those are unroutable. The list has then what is
    left of them: another consumer is at work on it.
    """
    made = prepare_broker()
    left: list[str] = []
    try:
        yield left
    finally:
        left += clear_broker(made)


def prepare_broker() -> list[str]:
    """The names of the queues that were made."""
    try:
        topology = topology_of(discover())
        # In the others, the events of all wait.
        own = [queue.name for queue in topology.queues if queue.name.startswith(f"{conf.service()}.")]
        with Connection(conf.broker_url(), "demo") as connection:
            missing = [name for name in own if connection.count_messages(name) is None]
            connection.declare(topology)
        return missing
    except HandlersNotImportable as exc:
        raise StageMissing(str(exc)) from exc
    except BrokerRefused as exc:
        raise StageMissing(f"The broker refuses: {exc}") from exc
    except BrokerUnavailable as exc:
        raise StageMissing(
            f"No broker: {exc}\n`make demo` finds or starts one; for a broker of your own, set BROKER_URL."
        ) from exc


def clear_broker(made: list[str]) -> list[str]:
    """Deletes these queues; the names of those that are left, with their dead letters, since they are in use."""
    used: list[str] = []
    # That there is no broker any more is told elsewhere.
    with suppress(BrokerRefused, BrokerUnavailable), Connection(conf.broker_url(), "demo") as connection:
        # Of a queue before that of its dead letters.
        for name in sorted(made):
            if name.removesuffix(dead_queue("")) in used or not connection.delete_unused(name):
                used.append(name)
    return used


def prepare_database() -> int:
    """Migrate and seed; the number of events that wait in the outbox already.

    A warm start finds nothing to do, in a few milliseconds.
    """
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", verbosity=0, interactive=False)
    seed(with_admin=settings.DEBUG)
    return OutboxEvent.objects.count()


def free_port(wanted: int | None) -> int:
    """The wanted port, or the first free one from 8000 upward. Raises StageMissing when there is none."""
    candidates = [wanted] if wanted is not None else range(FIRST_PORT, FIRST_PORT + PORTS_TRIED)
    for port in candidates:
        if _is_free(port):
            return port
    raise StageMissing(f"Port {wanted or FIRST_PORT} is in use; choose another with --port.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server will do: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as exc:
            if exc.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            return False
    return True
