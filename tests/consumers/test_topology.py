"""What `manage.py topology --check` could not look at is told, not taken for right."""

import json
import socket
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from publisher.wire.connection import Connection
from publisher.wire.topology import subscription

HINT = "set MANAGEMENT_URL, and give the broker's user the tag 'management'.\n"


@pytest.fixture
def topology(settings, bridge):
    """Look with these arguments, at what is declared, and what is said on stderr."""

    def run(*arguments, console=None):
        settings.SIGNAL_BRIDGE = {**bridge, "MANAGEMENT_URL": console}
        err = StringIO()
        call_command("topology", *arguments, stdout=out, stderr=err)
        return err.getvalue()

    settings.SIGNAL_BRIDGE = bridge
    call_command("topology", "--declare", stdout=StringIO())
    out = run.out = StringIO()
    yield run
    settings.SIGNAL_BRIDGE = bridge


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_bindings_are_not_checked_when_there_is_no_console(topology):
    said = topology("--check")
    assert said.partition(" ")[0].isdigit()
    assert said.endswith(f" bindings were not checked: {HINT}")


def test_bindings_are_there_when_they_were_declared_just_now(topology):
    assert topology("--declare", "--check") == ""
    assert "unknown" not in topology.out.getvalue()


def test_advice_is_to_declare_what_is_missing_and_to_delete_what_differs(topology, queues):
    dead = queues.name("index.dead")
    queues.channel.queue_delete(dead)
    with pytest.raises(CommandError, match=r"differ\. `manage.py topology --declare` makes what is missing\.$"):
        topology("--check")
    queues.channel.queue_declare(dead)
    with pytest.raises(CommandError, match=r"1 of \d+ differ\. What is there otherwise has to be deleted first"):
        topology("--check")
    queues.channel.queue_delete(dead)


def test_bindings_are_not_checked_when_the_console_does_not_answer(topology):
    assert HINT in topology("--check", console=f"http://127.0.0.1:{closed_port()}/")


def test_nothing_is_said_of_bindings_when_nobody_asked_for_a_check(topology):
    assert topology() == ""


def test_nothing_is_said_of_bindings_when_the_console_tells(topology, broker):
    if broker.management_url is None:
        pytest.skip("this broker has no console")
    assert topology("--check", console=broker.management_url) == ""


def test_queues_and_keys_that_nobody_asks_for_are_left_over(topology, broker, queues):
    """Of this service at this exchange alone: another's are no business of ours."""
    if broker.management_url is None:
        pytest.skip("this broker has no console")
    topology("--format", "json", console=broker.management_url)
    asked = {row["name"] for row in json.loads(topology.out.getvalue()) if row["kind"] == "queue"}
    handlers = sorted(name for name in asked if name.startswith(f"{queues.service}.") and not name.endswith(".dead"))
    queues.bind("renamed", "#")
    queues.publish("a.key", b"{}")
    queues.channel.queue_bind(handlers[0], queues.exchange, "an.old.key")
    queues.channel.queue_declare("elsewhere")
    queues.channel.queue_bind("elsewhere", queues.exchange, "#")
    topology.out.truncate(0), topology.out.seek(0)
    assert topology("--check", "--format", "json", console=broker.management_url).startswith("2 left over under")
    left_over = [row for row in json.loads(topology.out.getvalue()) if row["state"] == "left over"]
    assert left_over == [
        {"kind": "queue", "name": queues.name("renamed"), "detail": "1 message", "state": "left over"},
        {"kind": "binding", "name": handlers[0], "detail": f"{queues.exchange} an.old.key", "state": "left over"},
    ]
    queues.channel.queue_unbind(handlers[0], queues.exchange, "an.old.key")
    queues.channel.queue_delete("elsewhere")
    queues.delete("renamed")


@pytest.mark.parametrize("is_bound", [True, False], ids=["with its queue", "alone"])
def test_dead_letters_of_a_handler_that_is_gone_are_left_over_once(topology, broker, queues, bridge, is_bound):
    if broker.management_url is None:
        pytest.skip("this broker has no console")
    with Connection(bridge["BROKER_URL"], "test") as connection:
        connection.declare(subscription(queues.exchange, queues.name("renamed"), ["#"]))
    queues.publish_to("renamed.dead", b"{}")
    if not is_bound:
        queues.delete("renamed")
    topology("--format", "json", console=broker.management_url)
    left_over = [row for row in json.loads(topology.out.getvalue()) if row["state"] == "left over"]
    names = ["renamed", "renamed.dead"] if is_bound else ["renamed.dead"]
    assert [row["name"] for row in left_over] == [queues.name(name) for name in names]
    assert left_over[-1]["detail"] == "1 message"
    queues.delete("renamed")
    queues.delete("renamed.dead")
