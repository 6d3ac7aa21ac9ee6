"""The private node while it runs: a real RabbitMQ, the one that stays for the next run."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tools.broker import amqp
from tools.broker.node import Node
from tools.errors import ToolError
from tools.ports import HOST

CHECKOUT = Path(__file__).parents[2]


def test_node_listens_on_loopback_alone_when_it_runs(node):
    """The port mapper listens on both families' loopback."""
    addresses = {
        connection.laddr.ip
        for connection in psutil.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port in node.state.ports.values()
    }

    assert HOST in addresses
    assert addresses <= {HOST, "::1"}


def test_node_is_reused_when_it_runs(node):
    before = node.process
    again = Node(node.directory, server=node.server)

    again.ensure()

    assert again.process == before


def test_command_line_starts_nothing_when_the_node_runs(node):
    environment = {name: value for name, value in os.environ.items() if name != "BROKER_URL"}
    environment |= {"SIGNAL_BRIDGE_NODE_DIR": str(node.directory), "DOCKER_HOST": "unix:///nonexistent"}
    command = [sys.executable, "-m", "tools.broker", "url"]

    run = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True)

    assert run.stdout == node.url + "\n"
    assert "Starting" not in run.stderr
    assert f"Broker: {amqp.without_password(node.url)}, a private node of the installed RabbitMQ\n" in run.stderr


def test_ctl_talks_to_the_node_when_it_runs(node):
    assert node.ctl("list_vhosts") == "/\n"


def test_ctl_says_what_failed_when_the_command_is_wrong(node):
    with pytest.raises(ToolError, match="rabbitmqctl delete_user nobody"):
        node.ctl("delete_user", "nobody")


def test_responds_is_false_when_the_listener_speaks_something_else():
    with socket.create_server((HOST, 0)) as server:
        assert not amqp.responds(HOST, server.getsockname()[1], timeout_seconds=0.2)


def test_without_password_hides_it_when_there_is_one():
    assert amqp.without_password("amqp://user:secret@host:5672/%2F") == "amqp://user:***@host:5672/%2F"
    assert amqp.without_password("amqp://host/") == "amqp://host/"
