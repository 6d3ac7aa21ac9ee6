"""What has to be there before the curtain rises: a migrated and seeded database, a port, a broker."""

import errno
import socket

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

HOST = "127.0.0.1"
FIRST_PORT = 8000
PORTS_TRIED = 100


class StageMissing(Exception):
    """Something that the demo stands on is not there."""


def prepare_broker() -> None:
    """Declare the queues before anything is published: on a fresh broker it would be unroutable."""
    try:
        topology = topology_of(discover())
        with Connection(conf.broker_url(), "demo") as connection:
            connection.declare(topology)
    except HandlersNotImportable as exc:
        raise StageMissing(str(exc)) from exc
    except BrokerRefused as exc:
        raise StageMissing(f"The broker refuses: {exc}") from exc
    except BrokerUnavailable as exc:
        raise StageMissing(
            f"No broker: {exc}\n`make demo` finds or starts one; for a broker of your own, set BROKER_URL."
        ) from exc


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
