"""A measurement in a process of its own: what one peer imports or leaves behind must not touch the next."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import django

ROOT = Path(__file__).parents[1]
FAILURE_LINES = 15
MEANWHILE_SECONDS = 0.1


class Failed(Exception):
    """A measuring process ended badly; what it said follows."""


class Measurement:
    """`module:function(**arguments)` in a process of its own; `result` is what it returned, through JSON."""

    def __init__(self, function: str, environment: Mapping[str, str], **arguments: Any) -> None:
        self.function = function
        # It lives as long as the process, and longer: until what it said has been read.
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.processes", function, json.dumps(arguments)],
            cwd=ROOT,
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def result(self, meanwhile: Callable[[], None] | None = None) -> Any:
        """Waits for its end; `meanwhile` is called again and again. Raises Failed."""
        while meanwhile is not None and self.process.poll() is None:
            meanwhile()
            time.sleep(MEANWHILE_SECONDS)
        try:
            printed, _ = self.process.communicate()
        finally:
            self.end()
        if self.process.returncode:
            raise Failed(f"{self.function} ended with {self.process.returncode}\n{self._said()}")
        return json.loads(printed)

    def end(self) -> None:
        """Ends it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _said(self) -> str:
        self._log.seek(0)
        return "".join(self._log.readlines()[-FAILURE_LINES:])


def main() -> None:
    function, arguments = sys.argv[1:]
    django.setup()
    module, _, name = function.partition(":")
    result = getattr(import_module(module), name)(**json.loads(arguments))
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
