"""Show events as they pass."""

import json
import os
import sys
from datetime import datetime
from threading import Event as Flag
from typing import Any

from django.core.management.base import CommandParser

from consumers.arguments import short_text
from consumers.command_errors import command_errors
from consumers.tailing import follow
from publisher import conf
from publisher.commands import LongCommand
from publisher.terminal import positive
from publisher.wire.errors import MalformedEvent
from publisher.wire.event import Event, decode_event, encode_event
from publisher.wire.printable import printable
from publisher.wire.stopping import stopping_on_signals


class Command(LongCommand):
    help = (
        "Shows events as they pass the exchange, until Ctrl-C: those whose routing key matches a pattern, or all. "
        "Handlers get them as usual. Beware: while it runs, an event that no handler's queue is bound for counts as "
        "routed, and is neither reported as unroutable nor kept."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "pattern", nargs="*", type=short_text, metavar="PATTERN", help="as 'db.*.blog.comment' or 'auth.#'"
        )
        parser.add_argument("--count", type=positive, metavar="N", help="end after N events")
        parser.add_argument(
            "--format", choices=("text", "json"), default="text",
            help="json prints each event whole, on a line (default: %(default)s)",
        )  # fmt: skip

    def handle(self, *args: Any, pattern: list[str], count: int | None, format: str, **options: Any) -> None:
        self.left = count
        self.stop = Flag()
        self.error: Exception | None = None
        self.line = as_json if format == "json" else as_text
        try:
            with command_errors(), stopping_on_signals(self.stop):
                follow(pattern or ["#"], self._show, self.stop, self._say_ready)
            if self.error is not None:
                raise self.error
        except BrokenPipeError:
            # The reader, as in `| head`, has closed the pipe. Python would fail once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _say_ready(self) -> None:
        self.stderr.write(f"Looking at the exchange {conf.exchange()}. Ctrl-C ends it.", str)

    def _show(self, key: str, body: bytes) -> None:
        if self.stop.is_set():
            return
        try:
            self.stdout.write(self.line(key, body))
            self.stdout.flush()
        except Exception as exc:
            # `handle` raises it later. If raised here, the calling connection would take it for its own loss.
            self.error = exc
            self.stop.set()
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                self.stop.set()


def as_json(key: str, body: bytes) -> str:
    try:
        return encode_event(decode_event(body, key)).decode()
    except MalformedEvent as exc:
        return json.dumps({"routing_key": key, "malformed": str(exc), "size": len(body)})


def as_text(key: str, body: bytes) -> str:
    try:
        event = decode_event(body, key)
    except MalformedEvent as exc:
        return printable(f"{'':12}  {key}  {exc}")
    return printable(f"{_clock(event)}  {key:<40}  {event.subject or '-':<24}  {event.id}")


def _clock(event: Event) -> str:
    local = event.time.astimezone() if event.time else None
    return datetime.strftime(local, "%H:%M:%S.%f")[:-3] if local else " " * 12
