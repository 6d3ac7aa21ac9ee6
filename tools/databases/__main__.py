"""`python -m tools.databases`: stop or reset what the tests keep running in `.services/`."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.broker import server
from tools.broker.node import Node
from tools.broker.server import Server
from tools.databases.installed import DIRECTORY, SOURCES
from tools.errors import ToolError
from tools.progress import say
from tools.service import Service


def services() -> Iterator[Service]:
    """All servers in the directory. To stop one, its directory is enough: its programs may be gone."""
    for path in sorted([*DIRECTORY.glob("*/node.json"), *DIRECTORY.glob("*/*/node.json")]):
        directory = path.parent
        if source := SOURCES.get(directory.name):
            yield source.server(directory, programs=source.find() or Path())
        else:
            yield Node(directory, server=server.find() or Server(scripts=Path()))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.databases", description=__doc__)
    parser.add_argument("command", choices=["stop", "reset"])
    command = parser.parse_args().command
    try:
        for service in services():
            if process := service.process:
                say(f"Stopping {service.name}, pid {process.pid}")
            service.stop() if command == "stop" else service.reset()
    except ToolError as exc:
        say(str(exc))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
