"""manage.py demo: the site, the relay and the consumers at work, with visitors."""

import json
import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from project.demo.crew import ProcessEnded
from project.demo.interruption import Interrupted, Interruption
from project.demo.play import NotStarted, Outcome, Play
from project.demo.report import Report
from project.demo.stage import StageMissing, queues
from project.demo.visitors import VisitFailed, load_visitors

USERS = "ada, grace or linus with the password demo"
THE_ADMIN = "; in the admin, which has a page of dead letters, as admin with the password admin"
FAILURES = (NotStarted, ProcessEnded, StageMissing, VisitFailed)


class Command(BaseCommand):
    help = "Start the site, the relay and the consumers as processes, send visitors, and show what reacts."
    # The processes run them.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="end after the visitors: 0 when all was handled, else 1"
        )
        parser.add_argument("--format", choices=("text", "json"), default="text", help="the summary's form")
        parser.add_argument("--port", type=int, help="the site's port on loopback (default: the first free from 8000)")
        parser.add_argument("--visitors", type=int, metavar="N", help="send only the first N visitors")

    def handle(self, *args: Any, **options: Any) -> None:
        interruption = Interruption()
        report = Report(to_stderr=options["format"] == "json")
        left: list[str] | None = None
        try:
            with queues() as left:
                code = self._run(report, interruption, **options)
        except FAILURES as exc:
            report.error(str(exc))
            code = 1
        except (Interrupted, KeyboardInterrupt):
            report.step("Interrupted.")
            code = 1 if options["once"] else 0
        if left is not None:
            report.end(left)
        sys.exit(code)

    def _run(self, report: Report, interruption: Interruption, **options: Any) -> int:
        play = Play(report, interruption, options["port"])
        with play.crew:
            play.start()
            outcome = play.perform(load_visitors()[: options["visitors"]])
            self._conclude(report, outcome, options["format"])
            if not options["once"]:
                report.step("The site stays up, and reactions are shown as they arrive. Ctrl-C ends it.")
                report.step(f"Log in as {USERS}{THE_ADMIN if settings.DEBUG else ''}.")
                report.step(f"In another terminal, one of its consumers as a script of its own:\n{script()}")
                play.stay()
        return 1 if outcome.missing else 0

    def _conclude(self, report: Report, outcome: Outcome, form: str) -> None:
        report.summary(outcome.summary)
        report.missing(outcome.missing)
        if outcome.missing:
            report.step("Does another consumer take from the same queues? It would handle events of this demo.")
        if form == "json":
            self.stdout.write(json.dumps(outcome.summary.as_json()))


def script() -> str:
    """A shell's line, of this Python and this demo's broker."""
    python = os.path.relpath(sys.executable)
    return f'$ eval "$({python} -m tools.broker env)"; {python} -m consumers.examples.spam_check'
