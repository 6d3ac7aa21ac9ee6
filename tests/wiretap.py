"""Listens to all that is published on a broker, for a word that must never be."""

import json
import select
import subprocess
import sys
import uuid
from pathlib import Path
from typing import NamedTuple

from tests.planting import WORD

ROOT = Path(__file__).parent.parent
FIREHOSE = "amq.rabbitmq.trace"
DEAF_SECONDS = 30.0


class Leak(NamedTuple):
    """Where a word was: body, header or routing key."""

    exchange: str
    key: str
    where: str


class Deaf(Exception):
    """The tap does not hear what is published: is the broker's firehose still on?"""


class Wiretap:
    """`leaks` of what was published since it was last asked, whoever did; `heard` is how much that was in all."""

    def __init__(self, url: str, word: str = WORD, *, source: str = FIREHOSE) -> None:
        self.heard = 0
        self.seconds = DEAF_SECONDS
        command = [sys.executable, "-m", "tests.firehose", url, word, source]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        self._line()

    def leaks(self) -> list[Leak]:
        """Raises Deaf where a message of its own is not heard, after all that were published before it."""
        self._process.stdin.write(f"{uuid.uuid4()}\n")
        self._process.stdin.flush()
        answer = json.loads(self._line())
        self.heard = answer["heard"]
        return [Leak(*leak) for leak in answer["leaks"]]

    def _line(self) -> str:
        ready, _, _ = select.select([self._process.stdout], [], [], self.seconds)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            raise Deaf(Deaf.__doc__)
        return line

    def close(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.stdout.close()
