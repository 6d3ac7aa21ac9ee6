"""What `manage.py topology --check` could not look at is told, not taken for right."""

import json
import re
import socket
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from threading import Thread
from types import SimpleNamespace
from urllib.parse import urlsplit

import pika
import pytest
from django.core.management import CommandError, call_command
from django.db.models.signals import post_save

from consumers import receiver, registry
from consumers.drift import FILLS
from consumers.handler import Handler
from consumers.retiring import is_for
from publisher.wire.connection import Connection
from publisher.wire.topology import subscription
from tests.stage import ROOT, eventually

HINT = "set MANAGEMENT_URL, and give the broker's user the tag 'management'.\n"


@pytest.fixture
def names(names):
    """Named apart, so that a permission to the service's queues is none to the exchanges."""
    return {**names, "SERVICE": f"{names['SERVICE']}-shop"}


@pytest.fixture
def topology(settings, bridge):
    """Look with these arguments, at what is declared, and what is said on stderr."""

    def run(*arguments, console=None):
        settings.SIGNAL_BRIDGE = {**bridge, "MANAGEMENT_URL": console}
        run.err = StringIO()
        call_command("topology", *arguments, stdout=out, stderr=run.err)
        return run.err.getvalue()

    settings.SIGNAL_BRIDGE = bridge
    call_command("topology", "--declare", stdout=StringIO())
    out = run.out = StringIO()
    yield run
    settings.SIGNAL_BRIDGE = bridge


@pytest.fixture
def console(broker):
    if broker.management_url is None:
        pytest.skip("this broker has no console")
    return broker.management_url


@pytest.fixture
def renamed(topology, queues, bridge):
    """The queue of a handler that is not in the code any more: an event, one of a key that no other has, a letter."""
    with Connection(bridge["BROKER_URL"], "test") as connection:
        connection.declare(subscription(queues.exchange, queues.name("renamed"), ["db.*.foo.article", "a.key"]))
    queues.publish("db.post_save.foo.article", b"event", headers={"x-attempt": 3}, message_id="1")
    queues.publish("a.key", b"another's", message_id="2")
    died = [{"time": datetime(2026, 11, 24, 8, tzinfo=UTC)}]
    dead = {"x-reason": "failed", "x-routing-key": "db.post_save.foo.article", "x-attempts": 5, "x-death": died}
    queues.publish_to("renamed.dead", b"letter", headers=dead, message_id="3")
    queues.take("log"), queues.take("index")
    yield queues.name("renamed")
    for name in ("renamed", "renamed.dead"):
        queues.delete(name)
    queues.take("log"), queues.take("log.dead"), queues.take("index")


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def answering(text):
    """The port of a server that answers the first that comes with this."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            with server.accept()[0] as client:
                client.recv(4096)
                client.sendall(text)

        thread = Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_bindings_are_not_checked_when_there_is_no_console(topology):
    said = topology("--check")
    assert said.partition(" ")[0].isdigit()
    assert said.endswith(f" bindings were not checked, nor what is left over: {HINT}")


def test_bindings_are_there_when_they_were_declared_just_now(topology):
    assert topology("--declare", "--check") == ""
    assert "unknown" not in topology.out.getvalue()


def test_advice_is_to_declare_what_is_missing_and_to_delete_what_differs(topology, queues):
    dead = queues.name("index.dead")
    queues.channel.queue_delete(dead)
    with pytest.raises(CommandError, match=r"differ\. `manage.py topology --declare` makes what is missing\.$"):
        topology("--check")
    queues.channel.queue_declare(dead)
    with pytest.raises(CommandError, match=r"1 of \d+ are missing or differ\. Delete what differs, once"):
        topology("--check")
    queues.channel.queue_delete(dead)


@pytest.fixture
def consuming_user(broker, bridge, names):
    """`add` makes the user that runs the consumers, with what the documentation gives it and what it calls `more`."""
    if broker.ctl is None:
        pytest.skip("somebody else's broker: no users are added there")
    user, url = names["SERVICE"], urlsplit(bridge["BROKER_URL"])
    page = (ROOT / "docs/operations.md").read_text()
    documented = re.search(r"-p bridge shop-consume \\\s+'(.*?)' \\\s+'(.*?)' \\\s+'(.*?)'\s", page).groups()

    mine = [text.replace("signals", names["EXCHANGE"]).replace("shop", names["SERVICE"]) for text in documented]

    def add(more=""):
        configure, write, read = mine
        configure, read = (text.replace("(dead|return)", f"(dead|return{more})") for text in (configure, read))
        broker.ctl("add_user", user, "password")
        broker.ctl("set_permissions", user, configure, write, read)
        bridge["BROKER_URL"] = f"{url.scheme}://{user}:password@{url.hostname}:{url.port}{url.path}"

    yield add
    bridge["BROKER_URL"] = url.geturl()
    broker.ctl("delete_user", user)


@pytest.fixture
def asked(topology, bridge, monkeypatch):
    """A handler that is asked, beside the others; `--declare` was run with it."""
    monkeypatch.setattr(registry, "_handlers", dict(registry._handlers))

    @receiver(post_save, sender="foo.Article", ask=True)
    def asked(sender, **kwargs):
        raise AssertionError

    topology("--declare")
    topology.out.truncate(0), topology.out.seek(0)
    yield
    with Connection(bridge["BROKER_URL"], "test") as connection:
        channel = connection.open_channel()
        channel.queue_delete(f"{bridge['SERVICE']}.asked")
        channel.exchange_delete(f"{bridge['EXCHANGE']}.ask")
        channel.close()
        connection.wait_for(lambda: channel.is_closed)


def test_advice_is_a_permission_when_the_broker_does_not_let_the_user_look(topology, asked, consuming_user):
    consuming_user()
    with pytest.raises(
        CommandError, match=r"^The broker does not let this user compare 1 of \d+: `rabbitmqctl set_perm"
    ) as caught:
        topology("--check")
    assert "deleted" not in str(caught.value)


def test_topology_needs_no_more_permissions_than_the_documentation_gives_the_consumers(topology, asked, consuming_user):
    consuming_user(more="|ask")
    topology("--declare")
    assert "ACCESS_REFUSED" not in topology("--check") + topology.out.getvalue()


def test_check_fails_when_there_is_a_console_and_it_does_not_answer(topology):
    url = f"127.0.0.1:{closed_port()}"
    with pytest.raises(CommandError, match=r"^The console at MANAGEMENT_URL does not list the bindings.$"):
        topology("--check", console=f"http://{url}/")
    assert topology.err.getvalue().endswith(f" left over: MANAGEMENT_URL at {url}: Connection refused.\n")
    assert topology(console=f"http://{url}/") == ""


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (b"401 Unauthorized", "it answers 401 Unauthorized; give the broker's user the tag 'management'"),
        (b"403 Forbidden", "it answers 403 Forbidden; give the broker's user the tag 'management'"),
        (b"404 Not Found", "it answers 404 Not Found"),
    ],
)
def test_advice_is_a_tag_only_when_the_console_lets_the_user_not_in(topology, status, said):
    with answering(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status) as port, pytest.raises(CommandError):
        topology("--check", console=f"http://127.0.0.1:{port}/")
    assert topology.err.getvalue().endswith(f"MANAGEMENT_URL at 127.0.0.1:{port}: {said}.\n")


def test_bindings_are_not_checked_when_the_console_is_behind_tls(topology):
    """What a port of TLS says to plain HTTP."""
    with answering(bytes.fromhex("15 03 01 00 02 02 46")) as port, pytest.raises(CommandError):
        topology("--check", console=f"http://127.0.0.1:{port}/")
    assert "bindings were not checked, nor what is left over: MANAGEMENT_URL at 127.0.0.1:" in topology.err.getvalue()


@pytest.mark.parametrize("body", [b'{"status": "ok"}', b'["binding"]', b"[{}]"])
def test_bindings_are_not_checked_when_it_is_no_console_that_answers(topology, body):
    response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with answering(response) as port, pytest.raises(CommandError, match="does not list the bindings"):
        topology("--check", console=f"http://127.0.0.1:{port}/")
    assert topology.err.getvalue().endswith(f"127.0.0.1:{port}: its answer does not list bindings.\n")


def test_binding_of_an_exchange_is_none_of_the_queue_that_is_called_the_same(topology, console, queues):
    name = queues.name("log")
    queues.channel.exchange_declare(name, "topic")
    queues.channel.exchange_bind(name, queues.exchange, "an.old.key")
    assert topology("--check", console=console) == ""
    queues.channel.exchange_delete(name)


def test_nothing_is_said_of_bindings_when_nobody_asked_for_a_check(topology):
    assert topology() == ""


def test_nothing_is_said_of_bindings_when_the_console_tells(topology, console):
    assert topology("--check", console=console) == ""


def test_queues_and_keys_that_nobody_asks_for_are_left_over(topology, console, queues):
    """Of this service at this exchange alone: another's are no business of ours."""
    topology("--format", "json", console=console)
    asked = {row["name"] for row in json.loads(topology.out.getvalue()) if row["kind"] == "queue"}
    handlers = sorted(name for name in asked if name.startswith(f"{queues.service}.") and not name.endswith(".dead"))
    queues.bind("renamed", "#")
    queues.publish("a.key", b"{}")
    queues.channel.queue_bind(handlers[0], queues.exchange, "an.old.key")
    queues.channel.queue_declare("elsewhere")
    queues.channel.queue_bind("elsewhere", queues.exchange, "#")
    topology.out.truncate(0), topology.out.seek(0)
    said = topology("--check", "--format", "json", console=console)
    assert said.startswith("2 left over under")
    assert ("--retire QUEUE" in said, "--delete QUEUE" in said, "A key that was taken out" in said) == (
        True,
        True,
        True,
    )
    left_over = [row for row in json.loads(topology.out.getvalue()) if row["state"] == "left over"]
    assert left_over == [
        {"kind": "queue", "name": queues.name("renamed"), "detail": f"1 message{FILLS}", "state": "left over"},
        {"kind": "binding", "name": handlers[0], "detail": f"{queues.exchange} an.old.key", "state": "left over"},
    ]
    queues.channel.queue_unbind(handlers[0], queues.exchange, "an.old.key")
    queues.channel.queue_delete("elsewhere")
    queues.delete("renamed")


@pytest.mark.parametrize("is_bound", [True, False], ids=["with its queue", "alone"])
def test_dead_letters_of_a_handler_that_is_gone_are_left_over_once(topology, console, queues, bridge, is_bound):
    with Connection(bridge["BROKER_URL"], "test") as connection:
        connection.declare(subscription(queues.exchange, queues.name("renamed"), ["#"]))
    queues.publish_to("renamed.dead", b"{}")
    if not is_bound:
        queues.delete("renamed")
    topology("--format", "json", console=console)
    left_over = [row for row in json.loads(topology.out.getvalue()) if row["state"] == "left over"]
    names = ["renamed", "renamed.dead"] if is_bound else ["renamed.dead"]
    assert [row["name"] for row in left_over] == [queues.name(name) for name in names]
    assert left_over[-1]["detail"] == "1 message"
    queues.delete("renamed")
    queues.delete("renamed.dead")


def test_left_over_queue_may_be_of_a_service_whose_name_begins_alike(topology, console, queues):
    queues.bind("eu.index", "#")
    topology("--format", "json", console=console)
    left_over = [row for row in json.loads(topology.out.getvalue()) if row["state"] == "left over"]
    assert "A key that was taken out" not in topology.err.getvalue()
    assert [row["detail"] for row in left_over] == [f"0 messages{FILLS}; unless there is a service {queues.service}.eu"]
    queues.delete("eu.index")


def idle(queues, queue):
    """Whoever took one message counts as a consumer for a moment."""
    eventually(lambda: queues.channel.queue_declare(queue, passive=True).method.consumer_count == 0)


def handed_over(topology):
    return {row["queue"]: (row["into"], row["moved"], row["stay"]) for row in json.loads(topology.out.getvalue())}


def test_retired_queue_gets_no_more_and_its_handlers_successor_gets_what_is_in_it(topology, console, queues, renamed):
    topology.out.truncate(0), topology.out.seek(0)
    with pytest.raises(CommandError, match=r"^1 stay: log is bound to none of their keys"):
        topology("--retire", renamed, "--into", "log", "--format", "json", console=console)
    assert handed_over(topology) == {
        renamed: (queues.name("log"), 1, 1),
        f"{renamed}.dead": (queues.name("log.dead"), 1, 0),
    }
    (event,), (letter,) = queues.take("log"), queues.take("log.dead")
    assert (event.body, event.properties.message_id) == (b"event", "1")
    assert event.headers["x-routing-key"] == "db.post_save.foo.article"
    assert "x-attempt" not in event.headers
    assert (letter.body, letter.headers["x-reason"], letter.headers["x-attempts"]) == (b"letter", "failed", 5)
    assert letter.headers["x-last-failed-at"] == "2026-11-24T08:00:00+00:00"
    queues.publish("db.post_save.foo.article", b"later")
    assert eventually(lambda: [letter.body for letter in queues.peek("renamed")]) == [b"another's"]


def test_nothing_is_unbound_while_the_successor_would_not_get_what_comes(topology, console, queues, renamed):
    queues.unbind("log", "db.*.foo.article")
    with pytest.raises(CommandError, match=r"log would not get new events: .* not bound to db.*--declare") as caught:
        topology("--retire", renamed, "--into", "log", console=console)
    assert caught.value.returncode == 1
    queues.publish("db.post_save.foo.article", b"later")
    assert eventually(lambda: [letter.body for letter in queues.peek("renamed")] == [b"event", b"another's", b"later"])


def test_event_between_two_attempts_comes_back_to_a_retired_queue_and_is_moved_the_next_time(
    topology, console, queues, renamed
):
    queues.take("renamed")
    idle(queues, renamed)
    assert "It still holds 0" in topology("--retire", renamed, console=console)
    queues.channel.basic_publish(
        f"{queues.exchange}.return", renamed, b"back",
        pika.BasicProperties(delivery_mode=2, headers={"x-routing-key": "db.post_save.foo.article"}), mandatory=True,
    )  # fmt: skip
    said = topology("--retire", renamed, "--into", "log", console=console)
    assert "Unbound" not in said
    assert [letter.body for letter in queues.take("log")] == [b"back"]


def test_no_queue_is_retired_that_is_not_left_over(topology, console, queues, renamed):
    for arguments, code, said in (
        (["--into", "log"], 2, "--into goes with --retire"),
        (["--retire", renamed, "--check"], 2, "no other option"),
        (["--retire", renamed, "--delete", renamed], 2, "no other option"),
        (["--delete", renamed, "--declare"], 2, "no other option"),
        (["--retire", renamed, "--into", "lgo"], 2, "There is no handler 'lgo'"),
        (["--retire", ""], 1, "expected the name of a handler, or of a queue, not ''"),
        (["--retire", f"{renamed}{'x' * (255 - len(renamed))}"], 1, "AMQP's short strings hold 255 bytes"),
        (["--retire", f"{renamed}{'x' * 255}"], 1, "AMQP's short strings hold 255 bytes"),
        (["--retire", "elsewhere.renamed"], 1, "no queue of the service"),
        (["--retire", queues.name("log")], 1, "belongs to a handler in the code"),
        (["--retire", queues.name("log.dead")], 1, "belongs to a handler in the code"),
        (
            ["--retire", f"{renamed}.dead", "--into", "log"],
            1,
            f"holds the dead letters of {renamed}: retire {renamed}, ",
        ),
        (["--retire", queues.name("never")], 1, "There is no queue"),
    ):
        with pytest.raises(CommandError, match=said) as caught:
            topology(*arguments, console=console)
        assert caught.value.returncode == code
    with pytest.raises(CommandError, match="set MANAGEMENT_URL"):
        topology("--retire", renamed)
    assert [letter.body for letter in queues.peek("renamed")] == [b"event", b"another's"]
    assert [letter.body for letter in queues.peek("renamed.dead")] == [b"letter"]


def test_queue_is_not_retired_while_the_old_code_takes_from_it(topology, console, queues, renamed):
    tag = queues.channel.basic_consume(renamed, lambda *_: None)
    with pytest.raises(CommandError, match=r"still has consumers \(1\): stop the old code first"):
        topology("--retire", renamed, console=console)
    queues.channel.cancel()
    assert tag


def test_left_over_queues_are_deleted_with_those_of_their_dead_letters(topology, queues, renamed, bridge):
    with Connection(bridge["BROKER_URL"], "test") as connection:
        connection.declare(subscription(queues.exchange, queues.name("gone"), ["#"]))
    queues.delete("gone")
    queues.take("renamed"), queues.take("renamed.dead")
    idle(queues, renamed), idle(queues, f"{renamed}.dead")
    topology.out.truncate(0), topology.out.seek(0)
    dead = queues.name("gone.dead")
    topology("--delete", renamed, f"{renamed}.dead", dead)
    assert topology.out.getvalue() == f"Deleted {renamed}.\nDeleted {renamed}.dead.\nDeleted {dead}.\n"
    with pytest.raises(CommandError, match=f"There is no queue {renamed}") as caught:
        topology("--delete", renamed)
    assert caught.value.returncode == 1


def test_no_queue_is_deleted_while_one_of_them_must_stay(topology, queues, renamed):
    queues.bind("empty", "#")
    for queue, said in (
        ("elsewhere.renamed", "no queue of the service"),
        (queues.name("log"), "belongs to a handler in the code"),
        (queues.name("log.dead"), "belongs to a handler in the code"),
        (queues.name("never"), "There is no queue"),
        (f"{renamed}.dead", f"holds the dead letters of {renamed}: delete {renamed}, "),
        (renamed, rf"{renamed} is not empty, it has 2 in it: .*--retire {renamed} --into HANDLER"),
    ):
        with pytest.raises(CommandError, match=said) as caught:
            topology("--delete", queues.name("empty"), queue)
        assert caught.value.returncode == 1
    queues.take("renamed")
    idle(queues, renamed)
    with pytest.raises(CommandError, match=rf"{renamed}\.dead is not empty, it has 1 in it: .*--retire {renamed} "):
        topology("--delete", queues.name("empty"), renamed)
    assert queues.count("empty") == queues.count("renamed") == 0
    assert [letter.body for letter in queues.take("renamed.dead")] == [b"letter"]
    queues.delete("empty")


def test_queue_is_not_deleted_while_the_old_code_takes_from_it(topology, queues, renamed):
    queues.take("renamed"), queues.take("renamed.dead")
    idle(queues, renamed), idle(queues, f"{renamed}.dead")
    queues.channel.basic_consume(renamed, lambda *_: None)
    with pytest.raises(CommandError, match=r"still has consumers \(1\): stop the old code first"):
        topology("--delete", renamed)
    queues.channel.cancel()
    assert queues.count("renamed") == 0


def test_dead_letters_of_before_a_handler_was_asked_can_be_deleted(topology, asked, queues):
    queues.channel.queue_declare(queues.name("asked.dead"))
    topology("--delete", queues.name("asked.dead"))
    assert topology.out.getvalue() == f"Deleted {queues.name('asked.dead')}.\n"


def test_missing_permission_to_delete_is_told(topology, queues, consuming_user, broker):
    queues.bind("empty", "#")
    consuming_user()
    broker.ctl("set_permissions", queues.service, "^$", ".*", ".*")
    with pytest.raises(CommandError, match=r"access to queue .* `rabbitmqctl set_permissions` grants it") as caught:
        topology("--delete", queues.name("empty"))
    assert caught.value.returncode == 78
    queues.delete("empty")


@pytest.mark.parametrize(("options", "said"), [({"ordered": True}, "older events"), ({"ask": True}, "has ask=True")])
def test_events_are_not_handed_over_where_they_cannot_be_handled_well(
    topology, console, renamed, monkeypatch, options, said
):
    monkeypatch.setattr(registry, "_handlers", dict(registry._handlers))

    @receiver(post_save, sender="foo.Article", **options)
    def successor(sender, **kwargs):
        raise AssertionError

    with pytest.raises(CommandError, match=said):
        topology("--retire", renamed, "--into", "successor", console=console)


def test_offloaded_receivers_events_are_for_offloaded_receivers_alone(bridge):
    delivery = SimpleNamespace(headers={}, routing_key="s.old", body=b"")
    assert is_for(Handler(name="new", function=print, patterns=("@s.new",)), "s.old", delivery)
    assert not is_for(Handler(name="new", function=print, patterns=("#.fixed",)), "s.old", delivery)
