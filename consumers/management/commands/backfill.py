"""Send events of existing rows to a new handler."""

from functools import reduce
from threading import Event as Flag
from typing import Any

from django.core.exceptions import FieldError, ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import Error as DatabaseTrouble
from django.db import router
from django.db.models import Model, QuerySet
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from consumers.arguments import key_from, lookup, model_of, queue_name
from consumers.backfill import Backfill, Done
from consumers.backfill_report import Impatience, go_on, told
from consumers.command_errors import command_errors
from consumers.dead_letters.owners import Owner, owners_of
from publisher import conf
from publisher.commands import BridgeCommand
from publisher.models import OutboxEvent
from publisher.tables import trouble_with
from publisher.terminal import alias
from publisher.wire.connection import Connection
from publisher.wire.errors import EncoderFailed, NotEncodable, RoutingKeyNotFormed
from publisher.wire.exit_codes import EXIT_USAGE
from publisher.wire.printable import printable
from publisher.wire.stopping import stopping_on_signals


class Command(BridgeCommand):
    help = (
        "Sends an event for each existing row to one handler, which is newer than the rows: a post_save with "
        "created=False and the fields that the model's rule forwards. The events go through the outbox, some thousands "
        "at a time, in order with those of other writes, so the relay and the handler have to run. If the command is "
        "ended before the last row, it prints how to go on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", type=model_of, metavar="MODEL", help="such as orders.Order")
        parser.add_argument(
            "--to",
            required=True,
            type=queue_name,
            metavar="HANDLER",
            help="the handler's name, or its queue's: SERVICE.NAME",
        )
        parser.add_argument(
            "--where", action="append", default=[], type=lookup, metavar="FIELD=VALUE",
            help="only rows that match, as in filter(): status=paid, pk__gte=100, pk__in=[1,2]",
        )  # fmt: skip
        parser.add_argument("--after", metavar="KEY", help="only rows after this primary key")
        parser.add_argument(
            "--database",
            type=alias,
            metavar="ALIAS",
            help="which database's rows (default: the one that the model is written to)",
        )

    def handle(self, *args: Any, model: type[Model], to: str, **options: Any) -> None:
        using = options["database"] or router.db_for_write(model)
        after = self._key(model, options["after"])
        backfill = Backfill(self._rows(model, options["where"]), self._owner(to), using, after)
        if not backfill.rules:
            raise CommandError(
                f"post_save of {model._meta.label} is not forwarded: a rule of FORWARD has to say what is sent.",
                returncode=EXIT_USAGE,
            )
        if trouble := trouble_with((OutboxEvent,), using):
            raise CommandError(f"The outbox of {using!r}: {trouble}", returncode=1)
        self._run(backfill, Done(pk=after, written=0, left_out=0), to)

    def _rows(self, model: type[Model], lookups: list[dict[str, Any]]) -> QuerySet[Any]:
        try:
            # One `filter()` for each, since the same lookup may be given twice.
            return reduce(lambda rows, each: rows.filter(**each), lookups, model._default_manager.all())
        except (FieldError, ValueError, TypeError, ValidationError) as exc:
            raise CommandError(f"--where: {printable(exc)}", returncode=EXIT_USAGE) from exc

    def _key(self, model: type[Model], text: str | None) -> Any:
        try:
            return None if text is None else key_from(model, text)
        except (ValueError, TypeError, ValidationError) as exc:
            raise CommandError(f"--after: {printable(exc)}", returncode=EXIT_USAGE) from exc

    def _owner(self, name: str) -> Owner:
        with command_errors(), Connection(conf.broker_url(), "backfill") as connection:
            (owner,) = owners_of([name], connection)
            is_there = connection.count_messages(owner.queue) is not None
        if problem := problem_with(owner, is_there=is_there):
            raise CommandError(problem, returncode=EXIT_USAGE)
        return owner

    def _run(self, backfill: Backfill, done: Done, to: str) -> None:
        terminal, stop, impatience = Console(stderr=True), Flag(), Impatience(self.stderr)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        try:
            with (
                stopping_on_signals(stop),
                Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as bar,
            ):
                task = bar.add_task(f"{backfill.model._meta.label} to {to}", total=backfill.count())
                for done in backfill.run(stop, impatience.wait, impatience.again):
                    bar.update(task, completed=done.written + done.left_out)
                    impatience.over()
        except (DatabaseTrouble, EncoderFailed, NotEncodable, RoutingKeyNotFormed) as exc:
            raise CommandError(f"{printable(exc)} {told(done, to)} {go_on(done)}", returncode=1) from exc
        self.stdout.write(f"{told(done, to)} {go_on(done)}" if stop.is_set() else told(done, to))


def problem_with(owner: Owner, *, is_there: bool) -> str | None:
    """Why no events can be sent to this handler; None if they can."""
    handler = owner.handler
    if handler is not None and handler.ask:
        return f"{owner.name} has ask=True: it gets questions, and no events."
    if handler is not None and handler.ignore_own:
        return f"{owner.name} has ignore_own=True: it is not called for events of this service."
    return None if is_there else f"There is no queue {owner.queue} yet: `manage.py topology --declare` makes it."
