"""Run the relay: the outbox of one database to the exchange."""

from threading import Event as Flag
from typing import Any

from django.core.management.base import CommandError, CommandParser

from publisher.commands import LongCommand
from publisher.incidental import own_work
from publisher.measures import measure_relay
from publisher.relay import Relay
from publisher.terminal import add_database
from publisher.wire.errors import BrokerRefused
from publisher.wire.exit_codes import EXIT_CONFIG
from publisher.wire.lifecycle import log_to_stderr, stopping_on_signals


class Command(LongCommand):
    help = (
        "Moves events from the outbox of one database to the exchange, and deletes each once the broker confirmed it. "
        "Another relay of the same database stands by. SIGTERM or Ctrl-C ends it once what is on its way is "
        "confirmed; the same again ends it at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="empty the outbox and end")
        add_database(parser)

    def handle(self, *args: Any, once: bool, database: str, **options: Any) -> None:
        log_to_stderr()
        stop = Flag()
        with stopping_on_signals(stop), own_work():
            try:
                relay = Relay(database, stop=stop)
                measure_relay(database, relay.tally)
                relay.run(once=once)
            except BrokerRefused as exc:
                raise CommandError(str(exc), returncode=EXIT_CONFIG) from exc
