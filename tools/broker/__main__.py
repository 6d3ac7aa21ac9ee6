"""`python -m tools.broker`: url, env, status, stop, kill, reset."""

import argparse
import shlex
import sys
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from tools import docker
from tools.broker import amqp, compose, found, server
from tools.broker.node import Node
from tools.broker.server import Server
from tools.errors import ToolError
from tools.ports import HOST
from tools.progress import say


def url() -> None:
    sys.stdout.write(found.find().url + "\n")


def env() -> None:
    """For a shell's `eval`."""
    broker = found.find()
    values = {"BROKER_URL": broker.url}
    if broker.management_url:
        values["SIGNAL_BRIDGE_CONSOLE_URL"] = broker.management_url
    sys.stdout.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def status() -> None:
    table = Table(show_header=False, box=None)
    for name, value in [*_node_rows(own_node()), *_docker_rows()]:
        table.add_row(name, value)
    Console(soft_wrap=True, highlight=False).print(table)


def _node_rows(node: Node) -> list[tuple[str, str]]:
    process = node.process
    if process is None:
        return [("private node", "stopped" if node.state.ports else "never started")]
    return [
        ("private node", "answers" if node.answers() else "does not answer"),
        ("  AMQP", amqp.without_password(node.url)),
        ("  console", node.management_url),
        ("  pid", str(process.pid)),
        ("  directory", str(node.directory)),
    ]


def _docker_rows() -> list[tuple[str, str]]:
    ports = compose.running() if docker.answers() else None
    if ports is None:
        return [("Docker", "no RabbitMQ runs there")]
    return [
        ("Docker", "answers"),
        ("  AMQP", amqp.without_password(amqp.url(ports[0]))),
        ("  console", f"http://{HOST}:{ports[1]}/"),
    ]


def stop() -> None:
    node = own_node()
    process = node.process
    node.stop()
    say(f"Stopped the private node, pid {process.pid}" if process else "No private node was running")
    if docker.answers() and compose.stop():
        say("Stopped RabbitMQ in Docker")


def kill() -> None:
    own_node().kill()


def reset() -> None:
    own_node().reset()
    say(f"{found.directory()} is empty")
    if docker.answers() and compose.reset():
        say("Deleted RabbitMQ in Docker, with its data")


def own_node() -> Node:
    """This checkout's node. Works without an installed RabbitMQ, so that a node can be stopped after an uninstall."""
    return found.node(server.find() or Server(scripts=found.directory()))


COMMANDS: dict[str, tuple[Callable[[], None], str]] = {
    "url": (url, "print the AMQP URL of a broker, after starting what is needed"),
    "env": (env, "the same as shell exports: BROKER_URL and SIGNAL_BRIDGE_CONSOLE_URL"),
    "status": (status, "what runs, and where"),
    "stop": (stop, "stop the private node, or the container that the demo started"),
    "kill": (kill, "end the private node as a crash would"),
    "reset": (reset, "stop what the demo started and delete its data"),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.broker", description="A RabbitMQ for this checkout.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, text) in COMMANDS.items():
        commands.add_parser(name, help=text)
    try:
        COMMANDS[parser.parse_args().command][0]()
    except ToolError as exc:
        say(str(exc))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
