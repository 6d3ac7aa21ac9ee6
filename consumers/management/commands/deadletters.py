"""Look at dead letters, rehearse their replay, replay them, or discard them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.core.management.base import CommandError, CommandParser

from consumers.arguments import moment, queue_name
from consumers.command_errors import command_errors
from consumers.dead_letters.letters import Letters, Wanted, why_they_stay
from consumers.dead_letters.owners import Owner, owners_of
from consumers.dead_letters.rehearsals import Rehearsals
from consumers.dead_letters.rows import as_json, groups_of, line_of, none_of
from publisher import conf
from publisher.agreement import add_no_input, asks, is_agreed
from publisher.commands import BridgeCommand
from publisher.terminal import add_format, in_any_order, show
from publisher.wire.connection import Connection
from publisher.wire.exit_codes import EXIT_USAGE
from publisher.wire.sender import Outcome

ELSEWHERE = (
    "Letters of scripts, and of handlers that are no longer in the code, are shown with --handler and the handler's "
    "or the queue's name; `manage.py topology` lists this service's queues, if MANAGEMENT_URL is set."
)


class Command(BridgeCommand):
    help = (
        "Shows the events that handlers gave up on. `list` groups them by reason; `show ID` prints one whole; `replay` "
        "sends them to their handlers again, as new; `replay --rehearse` runs the handler and rolls its writes back; "
        "`discard` deletes them. Letters that are not named stay where they are."
    )

    def create_parser(self, *args: Any, **kwargs: Any) -> CommandParser:
        return in_any_order(super().create_parser(*args, **kwargs))

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", nargs="?", choices=("list", "show", "replay", "discard"), default="list")
        parser.add_argument("id", nargs="*", metavar="ID", help="ids of letters, as `list` shows them")
        parser.add_argument("--all", action="store_true", help="replay or discard all letters that match the filters")
        parser.add_argument(
            "--rehearse",
            action="store_true",
            help="run the handler, show what it writes, undo it; exit 1 when it raises, and --traceback shows where",
        )
        parser.add_argument(
            "--handler",
            action="append",
            default=[],
            type=queue_name,
            metavar="NAME",
            help="only letters of this handler, or of this queue, which may be of another service",
        )
        parser.add_argument("--reason", help="only letters with this reason: failed, rejected, malformed, crashed, ...")
        parser.add_argument(
            "--since",
            type=moment,
            metavar="TIME",
            help="only letters that failed after this time, or within this duration (1:30:00)",
        )
        add_no_input(parser)
        add_format(parser)

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        ids = frozenset(options["id"])
        self._check_usage(action, ids, options)
        self.format = options["format"]
        wanted = Wanted(ids=ids or None, reason=options["reason"], since=options["since"])
        with command_errors():
            with connected() as connection:
                owners = owners_of(options["handler"], connection)
            if action == "discard" and not ids and asks(interactive=options["interactive"]):
                # While a person is asked, no connection is open: the answer may take longer than the broker waits.
                agreed = self._agreed(owners, wanted)
                if agreed is None:
                    return
                wanted = agreed
            with connected() as connection:
                # Several handlers may have a letter with the same id: only --handler says which is meant.
                is_unclear = action == "show" or (action != "list" and bool(ids) and not options["handler"])
                letters = Letters(connection, owners, wanted, of_one_handler=is_unclear)
                found = self._act(action, letters, owners, ids, options)
        if letters.reasons and not found and not ids:
            self.stderr.write(none_of(letters.reasons))
        if missing := ids - found:
            raise CommandError(f"No such dead letter: {', '.join(sorted(missing))}.", returncode=1)

    def _check_usage(self, action: str, ids: frozenset[str], options: dict[str, Any]) -> None:
        if action in ("replay", "discard") and options["all"] == bool(ids):
            raise CommandError(f"Name the letters to {action}, or say --all.", returncode=EXIT_USAGE)
        if action == "show" and len(ids) != 1:
            raise CommandError("Name the one letter to show.", returncode=EXIT_USAGE)
        if options["rehearse"] and action != "replay":
            raise CommandError("--rehearse goes with replay.", returncode=EXIT_USAGE)

    def _agreed(self, owners: Sequence[Owner], wanted: Wanted) -> Wanted | None:
        """Criteria for exactly the letters that a person agreed to discard, without any that come later.

        None if there are no letters, or the person did not agree.
        """
        with connected() as connection:
            letters = Letters(connection, owners, wanted)
            seen = [letter.id for letter, _ in letters]
        if not seen:
            self._tell_done("discarded", [])
            if letters.reasons:
                self.stderr.write(none_of(letters.reasons))
            return None
        if not is_agreed(len(seen), "dead letter", self.stderr):
            self.stderr.write("Nothing was discarded.")
            return None
        return replace(wanted, ids=frozenset(seen))

    def _act(
        self, action: str, letters: Letters, owners: Sequence[Owner], ids: frozenset[str], options: dict[str, Any]
    ) -> set[str]:
        """Carry out the action. Returns the ids of the letters that were found."""
        if action == "list":
            return self._list(letters, owners)
        if action == "show":
            return self._show(letters)
        if action == "discard":
            return self._discard(letters)
        if options["rehearse"]:
            rehearsals = Rehearsals(self.stdout, self.stderr, format=self.format, traceback=options["traceback"])
            return rehearsals.run(letters, {owner.name: owner.handler for owner in owners}, ids)
        return self._replay(letters)

    def _list(self, letters: Letters, owners: Sequence[Owner]) -> set[str]:
        found = [letter for letter, _ in letters]
        if self.format == "json":
            show(found, self.format, title="", stdout=self.stdout)
        elif found:
            show(groups_of(found), self.format, title=f"Dead letters, by reason: {len(found)}", stdout=self.stdout)
            show(list(map(line_of, found)), self.format, title="", stdout=self.stdout)
        elif not letters.reasons:
            whose = ", ".join(owner.name for owner in owners) or "any handler"
            self.stdout.write(f"No dead letters of {whose}. {ELSEWHERE}")
        return {letter.id for letter in found}

    def _show(self, letters: Letters) -> set[str]:
        found = list(letters)
        documents = [as_json(letter, delivery.body) for letter, delivery in found]
        if documents:
            # A queue may hold an event twice.
            self.stdout.write(documents[0] if len(documents) == 1 else f"[{', '.join(documents)}]")
        return {letter.id for letter, _ in found}

    def _replay(self, letters: Letters) -> set[str]:
        outcomes = list(letters.replay())
        stay = [letter for letter, outcome in outcomes if outcome is not Outcome.CONFIRMED]
        self._tell_done("replayed", [letter.id for letter, outcome in outcomes if outcome is Outcome.CONFIRMED])
        if stay:
            raise CommandError(why_they_stay(stay), returncode=1)
        return {letter.id for letter, _ in outcomes}

    def _discard(self, letters: Letters) -> set[str]:
        discarded = [letter.id for letter in letters.discard()]
        self._tell_done("discarded", discarded)
        return set(discarded)

    def _tell_done(self, done: str, ids: list[str]) -> None:
        self.stdout.write(json.dumps({done: ids}, indent=2) if self.format == "json" else f"{len(ids)} {done}.")


def connected() -> Connection:
    return Connection(conf.broker_url(), "deadletters")
