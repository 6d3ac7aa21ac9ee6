"""What the bridge's commands have in common: their exit codes, and an end that may come before the beginning."""

import signal
from typing import Any

from django.core.management.base import BaseCommand, SystemCheckError

from publisher.wire.exit_codes import EXIT_CONFIG
from publisher.wire.stopping import STOPPING, end_before_it_begins


class BridgeCommand(BaseCommand):
    """Ends with 78 where a system check fails: settings that a supervisor need not try again."""

    def check(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().check(*args, **kwargs)
        except SystemCheckError as exc:
            exc.returncode = EXIT_CONFIG
            raise


class LongCommand(BridgeCommand):
    """Runs until it is told to end, and ends with 0 also where that is told before it runs."""

    def run_from_argv(self, argv: list[str]) -> None:
        for number in STOPPING:
            signal.signal(number, end_before_it_begins)
        super().run_from_argv(argv)
