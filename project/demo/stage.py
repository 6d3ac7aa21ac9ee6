"""Prepares what the demo needs: a migrated and seeded database, a free port, the broker's queues."""

import errno
import socket
import time
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
# How long a queue may look used after its consumers have ended.
NOTICED_SECONDS = 3.0


class StageMissing(Exception):
    """Something that the demo needs is missing."""


@contextmanager
def queues() -> Iterator[list[str]]:
    """Declare the queues of the demo's handlers before anything is published, and delete them at the end.

    Only those that were not there before are deleted. If they stayed, they would fill with the events of others on the
    same broker, and hide that those are unroutable. At the end the list has the queues that could not be deleted, since
    another consumer uses them.
    """
    made = prepare_broker()
    left: list[str] = []
    try:
        yield left
    finally:
        left += clear_broker(made)


def prepare_broker() -> list[str]:
    """Declare the queues, and return the names of those that were missing."""
    try:
        topology = topology_of(discover())
        # Without the retry queues, which all services share.
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
    """Delete these queues, except those in use and the queues of their dead letters, whose names are returned."""
    used: list[str] = []
    # If the broker is gone, that was reported already.
    with suppress(BrokerRefused, BrokerUnavailable), Connection(conf.broker_url(), "demo") as connection:
        until = time.monotonic() + NOTICED_SECONDS
        # Sorted, so that each queue comes before that of its dead letters.
        for name in sorted(made):
            if name.removesuffix(dead_queue("")) in used or not _is_deleted(connection, name, until):
                used.append(name)
    return used


def _is_deleted(connection: Connection, queue: str, until: float) -> bool:
    """Try until then: a busy broker takes a moment to notice that the demo's own consumers have ended."""
    while not (is_deleted := connection.delete_unused(queue)) and time.monotonic() < until:
        time.sleep(0.1)
    return is_deleted


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
