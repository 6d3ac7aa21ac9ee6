"""What `manage.py backfill` tells a person: how far it came, how to go on, and what it waits for."""

import shlex
import time

from django.core.management.base import OutputWrapper
from django.db import Error as DatabaseTrouble

from consumers.arguments import key_text
from consumers.backfill import Done
from publisher.wire.printable import printable

PATIENCE_SECONDS = 10.0


class Impatience:
    """Prints why the backfill does not go on: a full outbox, or an error of the database, each error once."""

    def __init__(self, stderr: OutputWrapper) -> None:
        self._stderr = stderr
        self._since: float | None = None
        self._told: set[str] = set()

    def over(self) -> None:
        self._since = None

    def wait(self, waiting: int) -> None:
        now = time.monotonic()
        self._since = self._since or now
        if now - self._since > PATIENCE_SECONDS:
            self._stderr.write(f"{waiting:,} events wait in the outbox: is `manage.py relay` at work?")
            self._since = now

    def again(self, trouble: DatabaseTrouble) -> None:
        if (text := printable(trouble)) not in self._told:
            self._told.add(text)
            self._stderr.write(f"Some rows are tried again: {text}")


def told(done: Done, to: str) -> str:
    left_out = f", {counted(done.left_out, 'row')} left out because of their rule's `when` or their key"
    return f"{counted(done.written, 'event')} for {to}{left_out if done.left_out else ''}."


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def go_on(done: Done) -> str:
    return "Ended before the first row." if done.pk is None else f"To go on: --after {shlex.quote(key_text(done.pk))}"
