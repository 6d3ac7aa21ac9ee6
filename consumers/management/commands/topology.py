"""Show the exchange, queues and bindings: what the code asks for against what the broker has."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from consumers.bindings import topology_of
from consumers.discovery import discover
from consumers.drift import LEFT_OVER, UNKNOWN, Compared, compared, differs
from consumers.exceptions import HandlersNotImportable
from publisher import conf
from publisher.terminal import add_format, show
from publisher.wire.connection import MISSING, Connection
from publisher.wire.errors import BrokerRefused, BrokerUnavailable
from publisher.wire.lifecycle import EXIT_CONFIG
from publisher.wire.topology import events_exchange

LEFT_OVER_HINT = (
    "left over under this service's name: let the old code empty such a queue, or move what is in it, "
    "before you delete it; unbind such a key in the console."
)
NOT_CHECKED = "bindings were not checked: set MANAGEMENT_URL, and give the broker's user the tag 'management'."


class Command(BaseCommand):
    help = (
        "The exchange, queues and bindings that this project's handlers need, whether the broker has them, and what is "
        "left over of others. Bindings are read through the console's API: set MANAGEMENT_URL for it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--declare", action="store_true", help="make on the broker what is missing there")
        parser.add_argument("--check", action="store_true", help="exit 1 when something is missing or differs")
        add_format(parser)

    def handle(self, *args: Any, declare: bool, check: bool, format: str, **options: Any) -> None:
        try:
            topology = events_exchange(conf.exchange()) + topology_of(discover())
            with Connection(conf.broker_url(), "topology") as connection:
                if declare:
                    connection.declare(topology)
                rows = compared(topology, connection, declared=declare)
        except BrokerUnavailable as exc:
            raise CommandError(str(exc), returncode=1) from exc
        except (BrokerRefused, HandlersNotImportable) as exc:
            raise CommandError(str(exc), returncode=EXIT_CONFIG) from exc
        show(rows, format, title=f"Topology of {conf.service()!r}", stdout=self.stdout)
        drifted = [row for row in rows if row.state == MISSING or differs(row)]
        unknown = [row for row in rows if row.state == UNKNOWN]
        if left_over := [row for row in rows if row.state == LEFT_OVER]:
            self.stderr.write(f"{len(left_over)} {LEFT_OVER_HINT}")
        if check and unknown:
            self.stderr.write(f"{len(unknown)} {NOT_CHECKED}")
        if check and drifted:
            raise CommandError(" ".join((f"{len(drifted)} of {len(rows)} differ.", *_advice(drifted))))


def _advice(drifted: list[Compared]) -> Iterator[str]:
    if any(row.state == MISSING for row in drifted):
        yield "`manage.py topology --declare` makes what is missing."
    if any(differs(row) for row in drifted):
        yield "What is there otherwise has to be deleted first, once the old code has emptied it."
