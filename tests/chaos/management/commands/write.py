"""Run one writer."""

from pathlib import Path
from threading import Event as Flag
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from publisher.wire.stopping import stopping_on_signals
from tests.chaos.journal import Journal
from tests.chaos.writer import Writer


class Command(BaseCommand):
    help = "Saves rows until SIGTERM."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("journal", type=Path)
        parser.add_argument("--seed", type=int, required=True)
        parser.add_argument("--rate", type=float, required=True)

    def handle(self, *args: Any, name: str, journal: Path, seed: int, rate: float, **options: Any) -> None:
        stop = Flag()
        with stopping_on_signals(stop):
            Writer(name, Journal(journal), seed=seed, rate=rate, stop=stop).run()
