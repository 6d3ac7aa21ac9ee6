"""Run handlers."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event as Flag
from typing import Any

from django.core.management.base import CommandError, CommandParser

from consumers.bindings import is_forwarded, keys_of, queue_of
from consumers.command_errors import command_errors
from consumers.discovery import chosen, discover
from consumers.exceptions import HandlersNotImportable, UnknownHandler
from consumers.handler import Handler
from consumers.worker.health import problems_of_work
from consumers.worker.options import add_options
from consumers.worker.reloading import run_reloading
from consumers.worker.running import run_worker, work
from publisher.alive import problem_with
from publisher.commands import LongCommand
from publisher.terminal import add_format, show
from publisher.wire.exit_codes import EXIT_CONFIG, EXIT_USAGE
from publisher.wire.lifecycle import log_to_stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedHandler:
    """One row of `manage.py consume --list`.

    `forwarded` says whether a rule of this project forwards a signal of the handler. It is None for a handler of
    `@subscribe`, since it is not known which signals its routing keys match.
    """

    handler: str
    function: str
    queue: str
    keys: tuple[str, ...]
    forwarded: bool | None


class Command(LongCommand):
    help = (
        "Runs the handlers found in each app's consumers.py and in the modules of HANDLERS: all of them, or those that "
        "are named. SIGTERM or Ctrl-C ends it once the running handlers have ended; a second signal, at least two "
        "seconds later, ends it at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("handler", nargs="*", metavar="HANDLER", help="run only these")
        parser.add_argument(
            "--except",
            action="append",
            default=[],
            dest="besides",
            metavar="HANDLER",
            help="do not run this one; may be given several times",
        )
        instead = parser.add_mutually_exclusive_group()
        instead.add_argument("--list", action="store_true", help="list all handlers, and end")
        instead.add_argument(
            "--check",
            action="store_true",
            help="end with 0 if the inbox and every queue are there, and each queue has consumers, else with 1; with "
            "--alive-file, only look at that file",
        )
        instead.add_argument("--reload", action="store_true", help="start again when code changes, for development")
        add_options(parser)
        add_format(parser)

    def execute(self, *args: Any, **options: Any) -> str | None:
        if options["reload"]:
            # A failed check would end the process. The reloader waits instead until the module can be imported.
            options["skip_checks"] = True
        return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["reload"]:
            self._reload(options)
            return
        handlers = self._handlers(options["handler"], options["besides"])
        if options["list"]:
            show([listed(each) for each in handlers], options["format"], title="Handlers", stdout=self.stdout)
        elif options["check"]:
            self._check(handlers, options)
        elif not handlers and options["besides"]:
            raise CommandError("--except leaves no handler to run.", returncode=EXIT_USAGE)
        elif not handlers:
            raise CommandError("There is no handler: write one in an app's consumers.py.", returncode=EXIT_CONFIG)
        else:
            sys.exit(run_worker(handlers, Namespace(**options)))

    def _handlers(self, names: Sequence[str], besides: Sequence[str]) -> tuple[Handler, ...]:
        with command_errors():
            return chosen(discover(), names, besides)

    def _check(self, handlers: Sequence[Handler], options: dict[str, Any]) -> None:
        file = options["alive_file"]
        problems = [problem_with(file, "worker")] if file else problems_of_work(handlers)
        if found := [problem for problem in problems if problem]:
            raise CommandError("\n".join(found))
        self.stdout.write("The worker is alive." if file else f"Handlers at work: {len(handlers)}.")

    def _reload(self, options: dict[str, Any]) -> None:
        if options["processes"] > 1 or options["until_empty"]:
            raise CommandError(
                "--reload goes neither with --processes above 1 nor with --until-empty.", returncode=EXIT_USAGE
            )

        def run(stop: Flag) -> None:
            try:
                handlers = chosen(discover(), options["handler"], options["besides"])
            except UnknownHandler as exc:
                self.stderr.write(str(exc))
                return
            except HandlersNotImportable as exc:
                # The original exception tells the reloader which file to watch.
                raise exc.__cause__ or exc from None
            work(handlers, Namespace(**options), stop)

        log_to_stderr()
        sys.exit(run_reloading(run, options["grace"]))


def listed(handler: Handler) -> ListedHandler:
    return ListedHandler(
        handler=handler.name,
        function=handler.path,
        queue=queue_of(handler),
        keys=keys_of(handler),
        forwarded=is_forwarded(handler) if handler.signals else None,
    )
