"""Show an outbox; send parked events again, or discard them."""

import json
from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error as DatabaseTrouble

from publisher.agreement import add_no_input, asks, is_agreed
from publisher.atomicity import commit_each_statement
from publisher.commands import BridgeCommand
from publisher.models import OUTBOX
from publisher.outbox.ledger import Ledger, ledger
from publisher.outbox.parked import ParkedQuerySet, parked
from publisher.outbox.unroutable import unroutable_keys
from publisher.tables import migration_hint
from publisher.terminal import add_database, add_format, in_any_order, positive, show
from publisher.wire.exit_codes import EXIT_CONFIG, EXIT_USAGE

SHOWN_ROWS = 50


class Command(BridgeCommand):
    help = (
        "Shows what waits in the outbox, which events the broker refused and why, which routing keys have no queue, "
        "and which relay is at work. `retry` puts parked events back into the outbox, in their old order. `discard` "
        "deletes them for good; it deletes events that are kept for a queue only with --kept or by their ids."
    )

    def create_parser(self, *args: Any, **kwargs: Any) -> CommandParser:
        return in_any_order(super().create_parser(*args, **kwargs))

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "action", nargs="?", choices=("show", "retry", "discard"), default="show", help="default: show"
        )
        parser.add_argument(
            "id", nargs="*", type=row_id, metavar="ID", help="ids of parked events, as `show` lists them"
        )
        parser.add_argument(
            "--all",
            action="store_true",
            help="retry all events; or discard all refused events, and the counts of dropped ones",
        )
        parser.add_argument(
            "--kept", action="store_true", help="all events that are kept until a queue is bound for them"
        )
        parser.add_argument(
            "--max-age",
            type=positive,
            metavar="SECONDS",
            help="end with 1 if an event in any database has waited for longer than this",
        )
        add_no_input(parser)
        add_database(parser)
        add_format(parser)

    def handle(self, *args: Any, database: str, **options: Any) -> None:
        try:
            self._handle(database=database, **options)
        except DatabaseTrouble as exc:
            text, hint = " ".join(str(exc).split()), migration_hint(OUTBOX, database)
            code = EXIT_CONFIG if hint else 1
            raise CommandError(f"The outbox of {database!r}: {text}{hint}", returncode=code) from exc

    def _handle(
        self, *, database: str, action: str, id: list[int], all: bool, kept: bool, max_age: int | None, **options: Any
    ) -> None:
        if problem := contradiction(action, id, all, kept, max_age):
            raise CommandError(problem, returncode=EXIT_USAGE)
        commit_each_statement(database)
        if action == "show":
            state = ledger(database)
            self._show(state, options["format"])
            check_age(state, max_age)
            return
        rows = parked(database).filter(id__in=id) if id else chosen(parked(database), action, all=all, kept=kept)
        if missing := set(id) - set(rows.values_list("id", flat=True)):
            raise CommandError(f"Not parked: {', '.join(map(str, sorted(missing)))}.", returncode=1)
        if action == "retry":
            count = rows.put_back()
            self._tell({"put_back": count}, f"{count} put back into the outbox.", options["format"])
        elif id or self._is_meant(rows, interactive=options["interactive"]):
            self._discard(rows, all, database, options["format"])
        else:
            self.stderr.write("Nothing was discarded.")

    def _is_meant(self, rows: ParkedQuerySet, *, interactive: bool) -> bool:
        count = rows.count() if asks(interactive=interactive) else 0
        return not count or is_agreed(count, "parked event", self.stderr)

    def _discard(self, rows: ParkedQuerySet, all: bool, database: str, format: str) -> None:
        count, _ = rows.delete()
        if all:
            unroutable_keys(database).delete()
        left = parked(database).kept().count() if all else 0
        hint = f"\n{left} events are kept for a queue that is not bound yet: --kept discards them." if left else ""
        self._tell({"discarded": count}, f"{count} discarded.{hint}", format)

    def _tell(self, done: Mapping[str, int], text: str, format: str) -> None:
        self.stdout.write(json.dumps(done) if format == "json" else text)

    def _show(self, state: Ledger, format: str) -> None:
        if format == "json":
            self.stdout.write(json.dumps(asdict(state), indent=2, default=str))
            return
        oldest = "" if state.oldest_seconds is None else f", the oldest for {state.oldest_seconds:.1f} s"
        self.stdout.write(f"Outbox of {state.database!r}: {state.pending} pending{oldest}")
        held = [lease for lease in state.leases if lease.holder]
        if not held:
            self.stdout.write("No relay has the lease: either none runs, or one waits for the broker, as its log says.")
        for title, rows in (
            ("Relays", state.leases if held else ()),
            ("Parked: the broker refuses them", state.parked),
            ("Unroutable: no queue is bound", state.unroutable),
        ):
            if rows:
                show(rows[:SHOWN_ROWS], format, title=title, stdout=self.stdout)
            if len(rows) > SHOWN_ROWS:
                self.stdout.write(f"  and {len(rows) - SHOWN_ROWS} more: --format json has all.\n")
        for other in state.elsewhere:
            alias, waiting = other.database, f"{other.pending} pending, {other.parked} parked"
            self.stderr.write(f"Outbox of {alias!r}, too: {waiting}. It needs a relay of its own: --database {alias}.")


def contradiction(action: str, id: list[int], all: bool, kept: bool, max_age: int | None) -> str | None:
    """Why these arguments do not go together; None if they do."""
    if action == "show":
        return "`show` shows all: IDs, --all and --kept go with `retry` or `discard`." if id or all or kept else None
    if max_age is not None:
        return f"--max-age goes with `show`, not with `{action}`."
    return f"Name the events to {action}, or say --all or --kept." if bool(id) == (all or kept) else None


def check_age(state: Ledger, most: int | None) -> None:
    """Raises CommandError if an event in any database has waited for more than `most` seconds."""
    ages = {state.database: state.oldest_seconds, **{other.database: other.oldest_seconds for other in state.elsewhere}}
    for alias, age in ages.items():
        if most is not None and age is not None and age > most:
            raise CommandError(f"The oldest event of {alias!r} has waited for {age:.0f} seconds, more than {most}.")


def row_id(text: str) -> int:
    """An id that the database can hold. Raises ArgumentTypeError, which argparse shows."""
    if not text.removeprefix("-").isdecimal() or not 0 < abs(int(text)) < 2**63:
        raise ArgumentTypeError(f"expected the number of a parked event, as `show` lists it, not {text!r}")
    return int(text)


def chosen(rows: ParkedQuerySet, action: str, *, all: bool, kept: bool) -> ParkedQuerySet:
    """The rows that --all and --kept mean. `discard --all` leaves kept events, which only wait for their queue."""
    if not all:
        return rows.kept()
    return rows if kept or action == "retry" else rows.refused()
