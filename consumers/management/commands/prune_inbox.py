"""Delete old inbox rows."""

from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error as DatabaseTrouble
from django.db import router

from consumers.inbox import forget
from consumers.models import InboxEvent
from publisher import conf
from publisher.commands import BridgeCommand
from publisher.tables import migration_hint
from publisher.terminal import add_database
from publisher.wire.exit_codes import EXIT_CONFIG


def days(text: str) -> timedelta:
    """A number of days, from 0 to conf.MOST_DAYS. Raises ArgumentTypeError, which argparse shows."""
    try:
        age = timedelta(days=float(text))
    except (ValueError, OverflowError) as exc:
        raise ArgumentTypeError(f"{text!r} is no number of days") from exc
    if age < timedelta():
        raise ArgumentTypeError(f"{text!r} days are in the future: nothing would be left")
    if age > timedelta(days=conf.MOST_DAYS):
        raise ArgumentTypeError(f"{text!r} days are more than {conf.MOST_DAYS:,}")
    return age


class Command(BridgeCommand):
    help = (
        "Forgets events that were handled more than INBOX_DAYS ago. If such an event comes again, it is handled again: "
        "keep events for as long as dead letters may be replayed. Workers prune the inbox every hour by themselves."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=days, help="days, instead of INBOX_DAYS")
        add_database(parser)
        parser.set_defaults(database=router.db_for_write(InboxEvent))

    def handle(self, *args: Any, days: timedelta | None, database: str, **options: Any) -> None:
        age = timedelta(days=conf.inbox_days()) if days is None else days
        try:
            count = forget(database, age)
        except DatabaseTrouble as exc:
            text, hint = " ".join(str(exc).split()), migration_hint([InboxEvent], database)
            code = EXIT_CONFIG if hint else 1
            raise CommandError(f"The inbox of {database!r}: {text}{hint}", returncode=code) from exc
        number = age / timedelta(days=1)
        self.stdout.write(f"{count} forgotten, older than {number:g} day{'' if number == 1 else 's'}.")
