"""Run the relay: it publishes the outbox of one database to the exchange."""

from pathlib import Path
from threading import Event as Flag
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error as DatabaseTrouble

from publisher.alive import cannot_touch, problem_with, take_away
from publisher.commands import LongCommand
from publisher.incidental import own_work
from publisher.models import OUTBOX
from publisher.relay.measures import measure_relay
from publisher.relay.relay import Relay
from publisher.tables import not_migrated
from publisher.terminal import add_database
from publisher.wire.errors import BrokerRefused
from publisher.wire.exit_codes import EXIT_CONFIG, EXIT_USAGE
from publisher.wire.lifecycle import log_to_stderr
from publisher.wire.stopping import stopping_on_signals


class Command(LongCommand):
    help = (
        "Publishes events from the outbox of one database to the exchange, and deletes each once the broker has "
        "confirmed it. A second relay of the same database stands by. SIGTERM or Ctrl-C ends the relay once all events "
        "in flight are confirmed, or after a few seconds; a second signal, at least two seconds later, ends it at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="end when the outbox is empty")
        parser.add_argument(
            "--alive-file",
            type=Path,
            metavar="PATH",
            help="touched every second: if old, the relay is stuck",
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="end with 0 if the relay with this --alive-file is alive, else with 1",
        )
        add_database(parser)

    def handle(
        self, *args: Any, once: bool, database: str, alive_file: Path | None, check: bool, **options: Any
    ) -> None:
        if check:
            if once:
                raise CommandError("--check looks at another relay: it does not go with --once.", returncode=EXIT_USAGE)
            self._check(alive_file)
            return
        if problem := cannot_touch(alive_file):
            raise CommandError(problem, returncode=EXIT_USAGE)
        if once and (problem := why_never_empty(database)):
            raise CommandError(problem, returncode=EXIT_CONFIG)
        log_to_stderr()
        stop = Flag()
        with stopping_on_signals(stop), own_work():
            try:
                relay = Relay(database, stop=stop, alive_file=alive_file)
                measure_relay(database, relay.tally)
                relay.run(once=once)
            except BrokerRefused as exc:
                raise CommandError(str(exc), returncode=EXIT_CONFIG) from exc
            finally:
                take_away(alive_file)

    def _check(self, alive_file: Path | None) -> None:
        if alive_file is None:
            raise CommandError("--check needs the --alive-file to look at.", returncode=EXIT_USAGE)
        if problem := problem_with(alive_file, "relay"):
            raise CommandError(problem)
        self.stdout.write("The relay is alive.")


def why_never_empty(using: str) -> str | None:
    """Why the outbox would never be empty: it does not exist. None if the database is away: the relay waits for it."""
    try:
        problem = not_migrated(OUTBOX, using)
    except DatabaseTrouble:
        return None
    return f"The outbox of {using!r}: {problem}" if problem else None
