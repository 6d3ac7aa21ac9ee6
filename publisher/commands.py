"""Base classes of the bridge's commands."""

from typing import Any

from django.core.management.base import BaseCommand, SystemCheckError

from publisher.wire.exit_codes import EXIT_CONFIG
from publisher.wire.stopping import end_from_the_start


class BridgeCommand(BaseCommand):
    """Ends with 78 where a system check fails: a supervisor need not restart it until the settings are corrected."""

    def check(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().check(*args, **kwargs)
        except SystemCheckError as exc:
            exc.returncode = EXIT_CONFIG
            raise


class LongCommand(BridgeCommand):
    """Runs until it gets SIGTERM or SIGINT, and then ends with 0, even if it gets the signal while Django starts."""

    def run_from_argv(self, argv: list[str]) -> None:
        end_from_the_start()
        super().run_from_argv(argv)
