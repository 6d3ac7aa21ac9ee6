"""What `manage.py topology --check` could not look at is told, not taken for right."""

import socket
from io import StringIO

import pytest
from django.core.management import call_command

HINT = "set MANAGEMENT_URL, and give the broker's user the tag 'management'.\n"


@pytest.fixture
def topology(settings, bridge):
    """Declare, look with these arguments, and what is said on stderr."""

    def run(*arguments, console=None):
        settings.SIGNAL_BRIDGE = {**bridge, "MANAGEMENT_URL": console}
        err = StringIO()
        call_command("topology", "--declare", *arguments, stdout=StringIO(), stderr=err)
        return err.getvalue()

    yield run
    settings.SIGNAL_BRIDGE = bridge


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_bindings_are_not_checked_when_there_is_no_console(topology):
    said = topology("--check")
    assert said.partition(" ")[0].isdigit()
    assert said.endswith(f" bindings were not checked: {HINT}")


def test_bindings_are_not_checked_when_the_console_does_not_answer(topology):
    assert HINT in topology("--check", console=f"http://127.0.0.1:{closed_port()}/")


def test_nothing_is_said_of_bindings_when_nobody_asked_for_a_check(topology):
    assert topology() == ""


def test_nothing_is_said_of_bindings_when_the_console_tells(topology, broker):
    if broker.management_url is None:
        pytest.skip("this broker has no console")
    assert topology("--check", console=broker.management_url) == ""
