"""List every signal with its receivers and its routing keys; or time receivers; or list writes without a signal."""

import json
from argparse import ArgumentTypeError
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth import get_user_model
from django.core.checks import CRITICAL
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser

from publisher import missed
from publisher.commands import BridgeCommand
from publisher.listing import at_a_glance, listed_signals
from publisher.profile import Profile, profiled, remember
from publisher.terminal import add_format, positive, show
from publisher.wire.exit_codes import EXIT_USAGE


def url(text: str) -> str:
    """The text, if it is a URL. Raises ArgumentTypeError, which argparse shows."""
    try:
        urlsplit(text)
    except ValueError as exc:
        raise ArgumentTypeError(f"{text!r} is no URL such as '/orders/': {exc}") from exc
    return text


def pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ArgumentTypeError(f"{text!r} is no NAME=VALUE")
    return name, value


class Command(BridgeCommand):
    help = (
        "Lists every signal: its receivers in this process, its offloaded receivers, and the routing keys that it is "
        "forwarded under. With --profile, makes real requests to this project and times every receiver that they "
        "reach; the listing shows these times from then on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_format(parser)
        parser.add_argument("--forwarded", action="store_true", help="only signals that a rule forwards")
        parser.add_argument("--offloaded", action="store_true", help="only signals with offloaded receivers")
        parser.add_argument("--missed", action="store_true", help="list writes of forwarded models that sent no signal")
        parser.add_argument(
            "command", nargs="*", help="with --missed: record what this command writes, as in `-- test orders`"
        )
        parser.add_argument(
            "--profile", nargs="+", type=url, metavar="URL", help="request these URLs, and time the receivers"
        )
        parser.add_argument("--repeat", type=positive, default=1, metavar="N", help="how often to request each URL")
        parser.add_argument("--data", nargs="+", type=pair, metavar="NAME=VALUE", help="POST this data, instead of GET")
        parser.add_argument("--user", metavar="NAME", help="log in as this user first")

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        """Errors of the checks do not prevent the listing: it shows which names are right."""
        kwargs = super().get_check_kwargs(options)
        return kwargs if options["profile"] or options["command"] else {**kwargs, "fail_level": CRITICAL}

    def handle(self, *args: Any, format: str, profile: list[str] | None, **options: Any) -> None:
        if profile:
            self._profile(profile, format, options)
            return
        if options["missed"]:
            self._missed(options["command"], format)
            return
        if options["data"] or options["user"]:
            raise CommandError(
                "--data and --user are for requests: name their URLs with --profile.", returncode=EXIT_USAGE
            )
        if options["command"]:
            raise CommandError(f"Write --missed -- {' '.join(options['command'])} to record it.", returncode=EXIT_USAGE)
        signals = [
            signal
            for signal in listed_signals()
            if (signal.keys or not options["forwarded"]) and (signal.offloaded or not options["offloaded"])
        ]
        rows = signals if format == "json" else [at_a_glance(signal) for signal in signals]
        show(rows, format, title=f"Signals: {len(signals)}" if signals else "Signals", stdout=self.stdout)

    def _missed(self, command: list[str], format: str) -> None:
        try:
            if command:
                with missed.recording():
                    call_command(*command)
        finally:
            self._tell_missed(format, was_recorded=bool(command) or missed.RECORD.exists())

    def _tell_missed(self, format: str, *, was_recorded: bool) -> None:
        """Where nothing was recorded, say so: an empty table would mean that no write was missed. JSON stays JSON."""
        if was_recorded or format == "json":
            show(missed.missed(), format, title="Writes that sent no signal", stdout=self.stdout)
        if not was_recorded:
            (self.stderr if format == "json" else self.stdout).write(missed.HOW)

    def _profile(self, urls: list[str], format: str, options: dict[str, Any]) -> None:
        data = dict(options["data"]) if options["data"] else None
        profile = profiled(urls, repeat=options["repeat"], data=data, user=user_named(options["user"]))
        try:
            remember(profile)
        except OSError as exc:
            self.stderr.write(f"The listing will not show these times: {exc}")
        if format == "json":
            self.stdout.write(json.dumps(asdict(profile), indent=2))
        else:
            self._tell(profile)

    def _tell(self, profile: Profile) -> None:
        show(profile.requests, "table", title="Requests", stdout=self.stdout)
        show(profile.receivers, "table", title="Their receivers, the slowest first", stdout=self.stdout)
        if profile.slowest:
            self.stdout.write(f'To take the slowest out of the request: "OFFLOAD": ["{profile.slowest}"]')


def user_named(name: str | None) -> Any:
    """The user with this name; None for None. Raises CommandError where there is no such user."""
    if name is None:
        return None
    try:
        model = get_user_model()
        return model._default_manager.get_by_natural_key(name)
    except (ImproperlyConfigured, LookupError) as exc:
        raise CommandError(str(exc), returncode=EXIT_USAGE) from exc
    except model.DoesNotExist as exc:
        raise CommandError(f"There is no user {name!r}.", returncode=EXIT_USAGE) from exc
