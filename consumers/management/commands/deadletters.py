"""Look at dead letters, replay them, rehearse that, or discard them."""

import json
import sys
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.dateparse import parse_datetime, parse_duration

from consumers.dead_letters.letters import (
    DeadLetter,
    Letters,
    Owner,
    Wanted,
    owners_of,
    routing_key_of,
    why_they_stay,
)
from consumers.dead_letters.rehearsal import Rehearsal, rehearse
from consumers.dead_letters.rows import groups_of, line_of
from consumers.exceptions import HandlersNotImportable, InboxAway, LettersOfSeveral, UnknownHandler
from consumers.handling.results import CRASHED
from consumers.short_text import short_text
from publisher import conf
from publisher.agreement import add_no_input, asks, is_agreed
from publisher.commands import BridgeCommand
from publisher.terminal import add_format, in_any_order, show
from publisher.wire.connection import Connection
from publisher.wire.errors import BrokerRefused, BrokerUnavailable
from publisher.wire.exit_codes import EXIT_CONFIG, EXIT_USAGE
from publisher.wire.printable import printable
from publisher.wire.sender import Outcome
from publisher.wire.topology import dead_queue

ELSEWHERE = (
    "Those of scripts, and of handlers that the code has no more, are shown with --handler NAME, or the name of their "
    "queue; `manage.py topology` lists this service's, with MANAGEMENT_URL."
)


def moment(text: str) -> datetime:
    """`2026-11-24T08:00`, or how long ago: `1:30:00`, `2 00:00:00`."""
    with suppress(ValueError, OverflowError):
        ago = parse_duration(text)
        if ago is not None:
            return datetime.now(UTC) - ago
        when = parse_datetime(text)
        if when is not None:
            return when.astimezone()
    raise ArgumentTypeError(f"{text!r} is neither a time (2026-11-24T08:00) nor a duration (1:30:00)")


def owner_name(text: str) -> str:
    """A handler's, or its queue's. Raises ArgumentTypeError, which argparse shows."""
    if not text:
        raise ArgumentTypeError("it is the name of a handler, or of its queue, not ''")
    short_text(dead_queue(text))
    return text


def as_json(letter: DeadLetter, body: bytes) -> str:
    """With its event; as it came where that is no JSON, or is nested too deep to be read or written here."""
    fields = asdict(letter)
    try:
        return json.dumps({**fields, "event": json.loads(body)}, indent=2, default=str)
    except (ValueError, RecursionError):
        return json.dumps({**fields, "event": repr(body)}, indent=2)


def none_of(reasons: Mapping[str, int]) -> str:
    told = ", ".join(f"{count} {printable(reason)}" for reason, count in reasons.items())
    return f"None of the dead letters that there are: {told}."


class Command(BridgeCommand):
    help = (
        "The events that handlers gave up on. `list` groups them by reason; `show ID` prints one whole; `replay` sends "
        "them to their handlers again, as new; `replay --rehearse` runs the handler and rolls its writes back; "
        "`discard` deletes them. What is not named stays where it is."
    )

    def create_parser(self, *args: Any, **kwargs: Any) -> CommandParser:
        return in_any_order(super().create_parser(*args, **kwargs))

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", nargs="?", choices=("list", "show", "replay", "discard"), default="list")
        parser.add_argument("id", nargs="*", metavar="ID", help="letters, as `list` names them")
        parser.add_argument("--all", action="store_true", help="replay or discard all that the filters leave")
        parser.add_argument(
            "--rehearse",
            action="store_true",
            help="run the handler, show what it writes, undo it; exit 1 when it raises, and --traceback shows where",
        )
        parser.add_argument(
            "--handler",
            action="append",
            default=[],
            type=owner_name,
            metavar="NAME",
            help="of this handler alone, or of this queue: that of a script may be of another service",
        )
        parser.add_argument("--reason", help="that died of this alone: failed, rejected, malformed, crashed, ...")
        parser.add_argument("--since", type=moment, metavar="TIME", help="a time, or how long ago (1:30:00)")
        add_no_input(parser)
        add_format(parser)

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        ids, format = frozenset(options["id"]), options["format"]
        self._check_usage(action, ids, options)
        wanted = Wanted(ids=ids or None, reason=options["reason"], since=options["since"])
        try:
            with Connection(conf.broker_url(), "deadletters") as connection:
                owners = owners_of(options["handler"], connection)
            if action == "discard" and not ids and asks(interactive=options["interactive"]):
                agreed = self._agreed(owners, wanted, format)
                if agreed is None:
                    return
                wanted = agreed
            with Connection(conf.broker_url(), "deadletters") as connection:
                is_unclear = action == "show" or (action != "list" and bool(ids) and not options["handler"])
                letters = Letters(connection, owners, wanted, of_one_handler=is_unclear)
                if action == "replay" and options["rehearse"]:
                    found = self._rehearse(letters, owners, format, ids, traceback=options["traceback"])
                elif action == "list":
                    found = self._list(letters, owners, format)
                else:
                    found = {"show": self._show, "replay": self._replay, "discard": self._discard}[action](
                        letters, format
                    )
        except (UnknownHandler, LettersOfSeveral) as exc:
            raise CommandError(str(exc), returncode=EXIT_USAGE) from exc
        except (BrokerUnavailable, InboxAway) as exc:
            raise CommandError(str(exc), returncode=1) from exc
        except (BrokerRefused, HandlersNotImportable) as exc:
            raise CommandError(str(exc), returncode=EXIT_CONFIG) from exc
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
            raise CommandError("A replay can be rehearsed, nothing else.", returncode=EXIT_USAGE)

    def _agreed(self, owners: Sequence[Owner], wanted: Wanted, format: str) -> Wanted | None:
        """Those that were asked about, and no more; None where there are none, or they are to stay."""
        # Over a connection of its own: an answer may take longer than the broker waits.
        with Connection(conf.broker_url(), "deadletters") as connection:
            letters = Letters(connection, owners, wanted)
            seen = [letter.id for letter, _ in letters]
        if not seen:
            self._tell_done("discarded", [], format)
            if letters.reasons:
                self.stderr.write(none_of(letters.reasons))
            return None
        if not is_agreed(len(seen), "dead letter", self.stderr):
            self.stderr.write("Nothing was discarded.")
            return None
        return replace(wanted, ids=frozenset(seen))

    def _list(self, letters: Letters, owners: Sequence[Owner], format: str) -> set[str]:
        found = [letter for letter, _ in letters]
        if format == "json":
            show(found, format, title="", stdout=self.stdout)
        elif found:
            show(groups_of(found), format, title=f"Dead letters, by reason: {len(found)}", stdout=self.stdout)
            show(list(map(line_of, found)), format, title="", stdout=self.stdout)
        elif not letters.reasons:
            self.stdout.write(f"No dead letters of {', '.join(owner.name for owner in owners) or 'any handler'}. "
                              f"{ELSEWHERE}")  # fmt: skip
        return {letter.id for letter in found}

    def _show(self, letters: Letters, format: str) -> set[str]:
        found = list(letters)
        documents = [as_json(letter, delivery.body) for letter, delivery in found]
        if documents:
            # A queue may hold an event twice.
            self.stdout.write(documents[0] if len(documents) == 1 else f"[{', '.join(documents)}]")
        return {letter.id for letter, _ in found}

    def _replay(self, letters: Letters, format: str) -> set[str]:
        outcomes = list(letters.replay())
        stay = [letter for letter, outcome in outcomes if outcome is not Outcome.CONFIRMED]
        self._tell_done("replayed", [letter.id for letter, outcome in outcomes if outcome is Outcome.CONFIRMED], format)
        if stay:
            raise CommandError(why_they_stay(stay), returncode=1)
        return {letter.id for letter, _ in outcomes}

    def _discard(self, letters: Letters, format: str) -> set[str]:
        discarded = [letter.id for letter in letters.discard()]
        self._tell_done("discarded", discarded, format)
        return set(discarded)

    def _tell_done(self, done: str, ids: list[str], format: str) -> None:
        self.stdout.write(json.dumps({done: ids}, indent=2) if format == "json" else f"{len(ids)} {done}.")

    def _rehearse(
        self, letters: Letters, owners: Sequence[Owner], format: str, ids: frozenset[str], *, traceback: bool
    ) -> set[str]:
        handlers = {owner.name: owner.handler for owner in owners}
        found = set()
        rehearsals = []
        for letter, delivery in letters:
            found.add(letter.id)
            if letter.reason == CRASHED and letter.id not in ids:
                self.stderr.write(printable(f"{letter.id}: not rehearsed, {letter.handler} ended its process over it. "
                                            "It would end this one: name the letter if you mean it."))  # fmt: skip
                continue
            handler = handlers[letter.handler]
            if handler is None:
                raise CommandError(f"{letter.handler} is not in this project's code: nothing can be rehearsed.")
            rehearsal = rehearse(handler, letter.id, delivery.body, routing_key_of(delivery))
            rehearsals.append(rehearsal)
            if format != "json":
                self._tell(rehearsal, traceback=traceback)
            if rehearsal.committed:
                # So may the next one.
                break
        if format == "json":
            self.stdout.write(json.dumps([asdict(rehearsal) for rehearsal in rehearsals], indent=2))
        self._end(rehearsals, traceback=traceback)
        return found

    def _end(self, rehearsals: Sequence[Rehearsal], *, traceback: bool) -> None:
        """Raises CommandError unless all went well."""
        for rehearsal in rehearsals:
            if rehearsal.committed:
                text = f"{rehearsal.id}: {rehearsal.handler} may have committed what it wrote. No more was rehearsed."
                raise CommandError(text, returncode=1)
        if failing := sum(bool(rehearsal.exception) for rehearsal in rehearsals):
            text = f"{failing} of {len(rehearsals)} would fail again."
            if traceback:
                # Django would show the command's own after the handlers'.
                self.stderr.write(text)
                sys.exit(1)
            raise CommandError(text, returncode=1)

    def _tell(self, rehearsal: Rehearsal, *, traceback: bool) -> None:
        if rehearsal.was_handled:
            self.stdout.write(
                printable(f"{rehearsal.id}: a replay would not call {rehearsal.handler}: its inbox has the event.")
            )
            return
        if traceback and rehearsal.traceback:
            self.stderr.write(rehearsal.traceback)
        place = f" ({rehearsal.where})" if rehearsal.where else ""
        end = f"raises {rehearsal.exception}{place}" if rehearsal.exception else "succeeds"
        self.stdout.write(printable(f"{rehearsal.id}: {rehearsal.handler} {end} (reads: {rehearsal.reads})."))
        show(rehearsal.writes, "table", title="It would write", stdout=self.stdout)
        self.stdout.write(rehearsal.warning)
        # The next one may end the process.
        self.stdout.flush()
