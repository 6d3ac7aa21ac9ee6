"""Rehearses the replay of dead letters one after another, and prints how each went."""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from django.core.management.base import CommandError, OutputWrapper

from consumers.dead_letters.letter import DeadLetter, routing_key_of
from consumers.dead_letters.rehearsal import Rehearsal, rehearse
from consumers.handler import Handler
from consumers.handling.results import CRASHED
from publisher.terminal import show
from publisher.wire.intake import Delivery
from publisher.wire.printable import printable


class Rehearsals:
    """Runs rehearsals. With `traceback`, the full traceback of a handler that raised is printed."""

    def __init__(self, stdout: OutputWrapper, stderr: OutputWrapper, *, format: str, traceback: bool) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._is_json = format == "json"
        self._traceback = traceback
        self._done: list[Rehearsal] = []

    def run(
        self,
        letters: Iterable[tuple[DeadLetter, Delivery]],
        handlers: Mapping[str, Handler | None],
        ids: frozenset[str],
    ) -> set[str]:
        """Rehearse the letters. Returns the ids of those that were found. A letter whose handler killed its process is
        only rehearsed if `ids` names it.

        Raises CommandError unless all would succeed; with `traceback` it may end the process with 1 instead.
        """
        found = set()
        for letter, delivery in letters:
            found.add(letter.id)
            if letter.reason == CRASHED and letter.id not in ids:
                self._stderr.write(printable(f"{letter.id}: not rehearsed, since {letter.handler} ended its process "
                                             "with it. It may end this one, too: name the letter to try."))  # fmt: skip
                continue
            handler = handlers[letter.handler]
            if handler is None:
                raise CommandError(f"{letter.handler} is not in this project's code: nothing can be rehearsed.")
            rehearsal = rehearse(handler, letter.id, delivery.body, routing_key_of(delivery))
            self._done.append(rehearsal)
            if not self._is_json:
                self.tell(rehearsal)
            if rehearsal.committed:
                # The next rehearsal might be committed as well.
                break
        if self._is_json:
            self._stdout.write(json.dumps([asdict(rehearsal) for rehearsal in self._done], indent=2))
        self._check_all_succeed()
        return found

    def tell(self, rehearsal: Rehearsal) -> None:
        if rehearsal.was_handled:
            self._stdout.write(
                printable(f"{rehearsal.id}: a replay would not call {rehearsal.handler}: its inbox has the event.")
            )
            return
        if self._traceback and rehearsal.traceback:
            self._stderr.write(rehearsal.traceback)
        place = f" ({rehearsal.where})" if rehearsal.where else ""
        end = f"raises {rehearsal.exception}{place}" if rehearsal.exception else "succeeds"
        self._stdout.write(printable(f"{rehearsal.id}: {rehearsal.handler} {end} (reads: {rehearsal.reads})."))
        show(rehearsal.writes, "table", title="It would write", stdout=self._stdout)
        self._stdout.write(rehearsal.warning)
        # Shown before the next rehearsal, in which the handler may kill this process.
        self._stdout.flush()

    def _check_all_succeed(self) -> None:
        for rehearsal in self._done:
            if rehearsal.committed:
                text = (
                    f"{rehearsal.id}: {rehearsal.handler} may have committed what it wrote. Nothing more was rehearsed."
                )
                raise CommandError(text, returncode=1)
        if failing := sum(bool(rehearsal.exception) for rehearsal in self._done):
            text = f"{failing} of {len(self._done)} would fail again."
            if self._traceback:
                # CommandError would make Django print the command's own traceback after those of the handlers.
                self._stderr.write(text)
                sys.exit(1)
            raise CommandError(text, returncode=1)
