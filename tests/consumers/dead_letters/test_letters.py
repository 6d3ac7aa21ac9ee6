"""Dead letters in a real broker: looked at where they lie, replayed and discarded one by one."""

import json
import re
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper
from django.db import IntegrityError, OperationalError, connections, transaction
from django.db.models.signals import post_save
from msgspec.structs import replace
from pika import BasicProperties

from consumers import BatchFailed, Event, current_event, receiver, registry, subscribe
from consumers.bindings import topology_of
from consumers.dead_letters.letters import Letters
from consumers.dead_letters.rehearsal import rehearse
from consumers.dead_letters.rehearsals import Rehearsals
from consumers.handler import Handler
from consumers.testing import deliver, event_from
from consumers.testing.delivery import handler_of
from publisher.wire.connection import Connection
from publisher.wire.event import encode_event
from publisher.wire.glance import subject_of
from publisher.wire.topology import subscription
from tests.bar.models import Seen
from tests.consumers.dead_letters.moments import MINUTES_AGO
from tests.foo.models import Article
from tests.foo.signals import article_flagged
from tests.queues import Queues
from tests.stage import eventually


@pytest.fixture
def buried(bury):
    bury("index", "i1")
    bury("index", "i2", exception="builtins.KeyError", minutes=10)
    bury("index", "i3", reason="rejected", minutes=100)
    bury("log", "l1")
    bury("log", "l2", minutes=100)


@pytest.fixture
def command(capsys):
    def run(*arguments):
        try:
            call_command("deadletters", *arguments)
        finally:
            run.out, run.err = capsys.readouterr()
        return run.out

    return run


def ids(command, *arguments):
    return [letter["id"] for letter in json.loads(command("list", "--format", "json", *arguments))]


def own(headers):
    """Those that the broker does not write by itself."""
    return {name: value for name, value in headers.items() if name not in ("x-delivery-count", "x-acquired-count")}


def test_list_groups_the_letters_by_reason(buried, command):
    lines = [line.split() for line in command().splitlines()]
    assert lines[0] == ["Dead", "letters,", "by", "reason:", "5"]
    assert ["log", "failed", "builtins.ValueError", "2"] in lines
    assert ["index", "failed", "builtins.KeyError", "1"] in lines
    assert ["index", "rejected", "builtins.ValueError", "1"] in lines
    assert any(line[:4] == ["i1", "index", "failed", "5"] for line in lines)


@pytest.mark.django_db(databases=["default", "other"])
def test_letters_of_strangers_steer_no_terminal(bury, command):
    bury("index", "i1\x1b[2J", reason="f\x07", exception="\u202eE")
    for arguments in ((), ("list", "--format", "json"), ("replay", "--all", "--rehearse"), ("show", "i1\x1b[2J")):
        with suppress(CommandError):  # as a rehearsal ends that would fail
            command(*arguments)
        assert "i1" in command.out
        assert not {"\x1b", "\x07", "\u202e"}.intersection(command.out)


def test_list_says_so_when_there_are_no_letters(declared, command):
    assert re.match(r"No dead letters of (\w+, )*index(, \w+)*\. .*`manage.py topology`", command("list"))
    assert json.loads(command("list", "--format", "json")) == []


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([], ["i1", "i2", "i3", "l1", "l2"]),
        (["--handler", "log"], ["l1", "l2"]),
        (["--handler", "log", "--handler", "index"], ["i1", "i2", "i3", "l1", "l2"]),
        (["--reason", "rejected"], ["i3"]),
        (["--since", "0:30:00"], ["i1", "i2", "l1"]),
        (["--since", MINUTES_AGO[10]], ["i1", "i2", "l1"]),
        (["--since", "0:30:00", "--reason", "failed", "--handler", "index"], ["i1", "i2"]),
        (["i2", "l2"], ["i2", "l2"]),
    ],
)
def test_filters_choose_and_all_of_them_hold(buried, command, filters, found):
    assert sorted(ids(command, *filters)) == found


@pytest.mark.parametrize("arguments", ["list", "replay --all", "discard --all", "replay --all --rehearse"])
def test_reasons_that_there_are_are_told_when_none_is_the_one_that_was_asked_for(buried, command, arguments):
    command(*arguments.split(), "--reason", "faild")
    assert command.err == "No dead letter matches, but there are: 4 failed, 1 rejected.\n"
    assert len(ids(command)) == 5


def test_subject_is_shown_and_a_long_text_is_cut(bury, command):
    bury("index", "i1", body=b'{"subject": "shop.order/42"}', text="long " * 50)
    assert json.loads(command("list", "--format", "json"))[0]["subject"] == "shop.order/42"
    assert json.loads(command("show", "i1"))["text"] == "long " * 50
    (line,) = [line for line in command().splitlines() if "i1" in line]
    assert line.split()[2] == "shop.order/42"
    assert "long long" in line
    assert "…" in command()
    assert command().count("long") < 20


def test_subject_is_cut_when_a_stranger_wrote_a_long_one(bury, command):
    bury("index", "i1", body=b'{"subject": "%s"}' % (b"long" * 500))
    assert command().count("long") < 25
    assert len(json.loads(command("list", "--format", "json"))[0]["subject"]) == 2000


@pytest.mark.parametrize("body", [b"", b"[" * 100_000, b'{"subject": 5}', b"\xff"])
def test_subject_is_empty_when_the_body_is_no_event_or_says_none(body):
    assert subject_of(body) == ""


def test_looking_leaves_the_letters_as_they_were(buried, command, declared):
    for _ in range(25):  # more than RabbitMQ 4's own limit of deliveries
        command("list")
    assert [letter.properties.message_id for letter in declared.peek("index.dead")] == ["i1", "i2", "i3"]


def test_show_prints_one_letter_whole(buried, command):
    shown = json.loads(command("show", "i2"))
    assert (shown["id"], shown["handler"], shown["exception"]) == ("i2", "index", "builtins.KeyError")
    assert (shown["event"], shown["host"], shown["text"]) == ({"id": "i2"}, "web1", "text of i2")


def test_letter_is_shown_as_it_came_when_it_is_nested_too_deep(declared, command):
    depth = 100_000
    declared.publish_to("index.dead", b"[" * depth + b"]" * depth, message_id="deep")
    shown = command("show", "deep")
    assert '"id": "deep"' in shown
    assert shown.count("[") == depth


def test_replay_brings_one_back_as_new_and_leaves_the_others_where_they_were(buried, command, declared):
    assert command("replay", "i2") == "1 replayed.\n"
    # What the command gave back comes again in a moment.
    eventually(lambda: [letter.properties.message_id for letter in declared.peek("index.dead")] == ["i1", "i3"])
    (back,) = declared.take("index")
    assert (back.body, back.properties.message_id) == (b'{"id": "i2"}', "i2")
    assert own(back.headers) == {"own": "header", "x-routing-key": "a.key"}


def test_replay_all_takes_what_the_filters_leave(buried, command, declared):
    assert command("replay", "--all", "--reason", "failed", "--handler", "index") == "2 replayed.\n"
    assert {letter.properties.message_id for letter in declared.peek("index")} == {"i1", "i2"}
    assert sorted(ids(command)) == ["i3", "l1", "l2"]


def test_replay_leaves_a_letter_where_it_is_when_its_handlers_queue_is_gone(buried, command, declared):
    declared.delete("index")
    with pytest.raises(CommandError, match="2 stay: the broker did not take them for the queue of index"):
        command("replay", "--all", "--reason", "failed", "--handler", "index")
    assert sorted(ids(command, "--handler", "index")) == ["i1", "i2", "i3"]


def test_replay_says_of_each_handler_that_its_letters_stay(buried, command, declared):
    for handler in ("index", "log"):
        declared.delete(handler)
    with pytest.raises(CommandError, match="5 stay: the broker did not take them for the queue of index and of log, "):
        command("replay", "--all")


def test_discard_removes_what_is_named_and_nothing_else(buried, command, declared):
    assert command("discard", "i1", "l2") == "2 discarded.\n"
    assert sorted(ids(command)) == ["i2", "i3", "l1"]
    assert declared.count("index") == declared.count("log") == 0


def test_all_stay_on_a_terminal_that_does_not_agree(buried, command, terminal):
    terminal("n\n")
    assert command("discard", "--all") == ""
    assert "Discard 5 dead letters for good? [y/N] " in command.err
    assert "Nothing was discarded." in command.err
    assert len(ids(command)) == 5


def test_those_that_were_asked_about_are_discarded_on_a_terminal_that_agrees(buried, command, terminal):
    terminal("y\n")
    assert command("discard", "--all", "--reason", "rejected") == "1 discarded.\n"
    assert "Discard 1 dead letter for good? [y/N] " in command.err
    assert sorted(ids(command)) == ["i1", "i2", "l1", "l2"]


@pytest.mark.parametrize("arguments", [("--all", "--no-input"), ("i1",), ("--all", "--reason", "none")], ids=repr)
def test_nothing_is_asked_on_a_terminal_when_there_is_no_need(buried, command, terminal, arguments):
    terminal("")
    command("discard", *arguments)
    assert "[y/N]" not in command.err


def test_what_comes_after_nothing_was_found_is_not_discarded_on_a_terminal(bury, command, terminal, monkeypatch):
    terminal("")
    shelf, looked = Letters.__iter__, []

    def look(letters):
        found = list(shelf(letters))
        if not looked:
            bury("index", "i1")
        looked.append(found)
        return iter(found)

    monkeypatch.setattr(Letters, "__iter__", look)
    assert command("discard", "--all") == "0 discarded.\n"
    assert looked == [[]]
    assert ids(command) == ["i1"]


@pytest.mark.django_db
@pytest.mark.parametrize("arguments", ["show", "replay", "discard", "replay --rehearse"])
def test_handler_has_to_be_named_when_an_event_is_a_letter_of_several(bury, command, declared, arguments):
    for handler in ("index", "log", "log"):
        bury(handler, "same")
    bury("index", "other")
    with pytest.raises(
        CommandError, match=r"same is a dead letter of (index and of log|log and of index)\. .*--handler NAME"
    ) as caught:
        command(*arguments.split(), "same", *(["other"] if arguments != "show" else []))
    assert (caught.value.returncode, command.out) == (2, "")
    eventually(lambda: sorted(ids(command)) == ["other", "same", "same", "same"])
    assert declared.count("index") == declared.count("log") == 0


def test_letter_of_several_is_discarded_of_those_that_are_named(bury, command):
    for handler in ("index", "log"):
        bury(handler, "same")
    assert command("discard", "same", "--handler", "log") == "1 discarded.\n"
    (letter,) = json.loads(command("list", "--format", "json"))
    assert letter["handler"] == "index"
    bury("log", "same")
    assert command("discard", "same", "--handler", "log", "--handler", "index") == "2 discarded.\n"


def test_show_prints_one_document_when_a_queue_holds_an_event_twice(bury, command):
    bury("index", "same")
    assert json.loads(command("show", "same"))["id"] == "same"
    bury("index", "same")
    assert [letter["id"] for letter in json.loads(command("show", "same"))] == ["same", "same"]


def test_letter_that_the_broker_buried_comes_back_under_its_own_key(declared, command):
    declared.publish("db.post_save.foo.article", b"{}", message_id="x")
    method, _, _ = declared.channel.basic_get(declared.name("index"))
    declared.channel.basic_reject(method.delivery_tag, requeue=False)
    eventually(lambda: declared.count("index.dead") == 1)
    (letter,) = json.loads(command("list", "--format", "json"))
    assert (letter["id"], letter["handler"], letter["reason"]) == ("x", "index", "rejected")
    command("replay", "x")
    (back,) = declared.take("index")
    assert own(back.headers) == {"x-routing-key": "db.post_save.foo.article"}


def test_letter_that_the_broker_buried_is_as_old_as_the_broker_says(declared, command):
    declared.publish("db.post_save.foo.article", b"{}", message_id="x")
    method, _, _ = declared.channel.basic_get(declared.name("index"))
    declared.channel.basic_reject(method.delivery_tag, requeue=False)
    eventually(lambda: declared.count("index.dead") == 1)
    assert ids(command, "--since", "1:00:00") == ["x"]
    (letter,) = json.loads(command("list", "--format", "json"))
    died_at = datetime.fromisoformat(letter["last_failed_at"])
    assert timedelta() <= datetime.now(UTC) - died_at < timedelta(minutes=1)
    command("discard", "--all", "--since", (died_at + timedelta(seconds=1)).isoformat())
    assert ids(command) == ["x"]


def test_key_that_is_too_long_to_be_one_counts_as_not_there(bury, command, declared):
    bury("index", "i1", key="k" * 256)
    command("replay", "i1")
    (back,) = declared.take("index")
    assert back.headers["x-routing-key"] == declared.name("index.dead")


@pytest.mark.parametrize("deaths", [[], [{}], [{"time": "long ago"}], "x", [5]], ids=repr)
def test_letter_says_not_when_it_died_when_a_stranger_wrote_the_brokers_header(declared, command, deaths):
    declared.publish_to("index.dead", b"{}", message_id="x", headers={"x-death": deaths})
    (letter,) = json.loads(command("list", "--format", "json"))
    assert letter["last_failed_at"] == ""


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["replay"], 2, "say --all"),
        (["discard"], 2, "say --all"),
        (["replay", "i1", "--all"], 2, "say --all"),
        (["show"], 2, "the one letter"),
        (["show", "i1", "i2"], 2, "the one letter"),
        (["show", "nothing"], 1, "No such dead letter: nothing"),
        (["replay", "nothing", "i1"], 1, "No such dead letter: nothing"),
        (["discard", "i1", "--rehearse"], 2, "--rehearse goes with replay"),
        (["list", "--since", "99999999 00:00:00"], 1, "neither a time .* nor a duration"),
        (["list", "--since", "99999999999999 00:00:00"], 1, "neither a time .* nor a duration"),
        (["list", "--since", "0001-01-01T00:00"], 1, "neither a time .* nor a duration"),
        (["list", "--since", "2026-13-01"], 1, "neither a time .* nor a duration"),
        (["list", "--handler", "indx"], 2, r"There is no handler 'indx' in the code\. Did you mean 'index'\?$"),
        (["list", "--handler", "zzz"], 2, r"no handler 'zzz' in the code, and none whose queue is \S+\.zzz or zzz\."),
        (["list", "--handler", "spam.alone"], 2, r"none whose queue is \S+\.spam\.alone or spam\.alone\. "),
        (["list", "--handler", "x" * 101], 2, "There is no handler 'xxx"),
        (["list", "--handler", "x" * 250], 2, r"none whose queue is x+\. "),
        (["list", "--handler", "x" * 251], 1, "--handler: .*255 bytes"),
        (["list", "--handler", ""], 1, "--handler: expected the name of a handler"),
    ],
    ids=str,
)
def test_wrong_usage_is_told(buried, command, arguments, code, text):
    with pytest.raises(CommandError, match=text) as caught:
        command(*arguments)
    assert caught.value.returncode == code


def test_two_commands_at_once_are_told_of_each_other(buried, command, bridge, monkeypatch):
    monkeypatch.setattr("publisher.wire.shelf.GLANCE_SECONDS", 0.5)
    # What the first command counted was taken by another one meanwhile.
    monkeypatch.setattr(Connection, "count_messages", lambda self, queue: 4)
    with pytest.raises(CommandError, match=r"3 of 4 messages of .* does another command look at them\?"):
        command("list", "--handler", "index")


def test_nothing_is_lost_when_a_replay_is_killed_in_the_middle(stage, declared):
    count = 3000
    # No confirm of each is waited for.
    channel = declared.connection.channel()
    for n in range(count):
        channel.basic_publish("", declared.name("log.dead"), b"{}", BasicProperties(delivery_mode=2, message_id=str(n)))
    eventually(lambda: declared.count("log.dead") == count)
    for _ in range(20):
        replay = stage.start("deadletters", "replay", "--all", "--handler", "log")
        eventually(lambda: declared.count("log") or replay.poll() is not None)  # noqa: B023
        replay.send_signal(signal.SIGKILL)
        if replay.wait() == -signal.SIGKILL:
            break
        # It was faster than the eye: once more.
        for letter in declared.take("log"):
            declared.publish_to("log.dead", b"{}", message_id=letter.properties.message_id)
    # What it had in hand comes back when the broker notices that it is gone.
    assert eventually(lambda: declared.count("log.dead") + declared.count("log") >= count)
    stage.manage("deadletters", "replay", "--all", "--handler", "log")
    assert declared.count("log.dead") == 0
    assert {letter.properties.message_id for letter in declared.take("log")} == {str(n) for n in range(count)}


@pytest.fixture
def own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_handlers", dict(registry._handlers))


def rehearsed(function, **kwargs):
    (handler,) = (one for one in registry.handlers() if one.function is function)
    event = event_from(article_flagged, **kwargs)
    return rehearse(handler, "x", encode_event(event), event.routing_key)


@pytest.mark.django_db(databases=["default", "other"])
def test_rehearsal_shows_the_rows_it_would_write_and_writes_none(own_registry):
    @subscribe("foo.#")
    def writes(event):
        Seen.objects.create(handler="writes", text=event.kwargs["n"], pid=7)
        Seen.objects.filter(pid=7).update(text="changed")
        Article.objects.using("other").create(title="secretive", api_token="planted")

    rehearsal = rehearsed(writes, n=3)
    insert, update, other = rehearsal.writes
    assert (insert.database, insert.rows, insert.values) == ("default", 1, "'writes', '3', 7")
    assert (update.rows, update.values) == (1, "'changed', 7")
    assert (other.database, other.values) == ("other", "not shown: one is a secret")
    assert (rehearsal.exception, rehearsal.where) == ("", "")
    assert "not undone" in rehearsal.warning
    assert "another thread" in rehearsal.warning
    assert "inbox=False" not in rehearsal.warning
    assert not Seen.objects.exists()
    assert not Article.objects.using("other").exists()


@pytest.mark.django_db(databases=["default", "other"])
def test_rehearsal_says_that_there_is_a_transaction_only_now_when_there_is_no_inbox(own_registry):
    @subscribe("foo.#", inbox=False)
    def writes(event):
        Seen.objects.create(handler="writes", text="", pid=7)

    rehearsal = rehearsed(writes)
    assert len(rehearsal.writes) == 1
    assert "inbox=False: outside of a rehearsal it runs in no transaction" in rehearsal.warning
    assert not Seen.objects.exists()


@pytest.mark.django_db(databases=["default", "other"])
def test_rehearsal_shows_a_write_that_begins_with_what_it_reads(own_registry):
    @subscribe("foo.#")
    def writes(event):
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "WITH n AS (SELECT 7 AS pid) INSERT INTO bar_seen (handler, text, pid) SELECT '', '', pid FROM n"
            )
            cursor.execute("WITH n AS (SELECT 7 AS pid) SELECT pid FROM n")

    rehearsal = rehearsed(writes)
    assert (len(rehearsal.writes), rehearsal.reads) == (1, 1)


@pytest.mark.django_db(databases=["default", "other"])
def test_rehearsal_shows_what_the_handler_raises_and_undoes_what_it_wrote(own_registry):
    @subscribe("foo.#")
    def fails(event):
        Seen.objects.create(handler="fails", text="", pid=7)
        raise LookupError("nothing there")

    rehearsal = rehearsed(fails)
    assert rehearsal.exception == "builtins.LookupError: nothing there"
    assert rehearsal.where.startswith("dead_letters/test_letters.py:")
    assert len(rehearsal.writes) == 1
    assert not Seen.objects.exists()


@pytest.mark.django_db(databases=["default", "other"])
def test_rehearsal_names_the_handler_when_it_cannot_be_called_so(own_registry):
    @receiver(article_flagged)
    def asks(sender, changes, **kwargs): ...

    assert rehearsed(asks).where == f"dead_letters/test_letters.py:{asks.__code__.co_firstlineno}"


@pytest.mark.django_db(databases=["default", "other"])
def test_rehearsal_says_that_nothing_would_be_called_when_the_inbox_has_the_event(own_registry):
    @subscribe("foo.#")
    def writes(event):
        Seen.objects.create(handler="before", text="", pid=7)

    event = event_from(article_flagged)
    assert deliver(writes, event).became == "handled"
    rehearsal = rehearse(handler_of(writes), "x", encode_event(event), event.routing_key)
    assert (rehearsal.was_handled, rehearsal.writes) == (True, ())
    assert not rehearsed(writes).was_handled


@pytest.mark.django_db(databases=["default", "other"])
def test_command_fails_when_a_rehearsed_handler_would(bury, command):
    bury("index", "malformed")
    with pytest.raises(CommandError, match="1 of 1 would fail again") as caught:
        command("replay", "--all", "--rehearse")
    assert caught.value.returncode == 1
    assert command.err == ""


def test_traceback_is_the_handlers_alone_when_it_is_asked_for(bury, stage):
    bury("index", "malformed")
    told = stage.manage("deadletters", "replay", "malformed", "--rehearse", "--traceback", check=False)
    assert told.returncode == 1
    assert ", in decode_event\n" in told.stderr
    assert told.stderr.endswith("1 of 1 would fail again.\n")
    assert "in run_from_argv" not in told.stderr


def test_rehearsal_needs_no_inbox_when_none_is_migrated(bury, stage):
    event = event_from(post_save, Article, instance=Article(pk=1, title="one"), created=True)
    bury("index", event.id, body=encode_event(replace(event, routing_key="")))
    stage.database.rows("DROP TABLE consumers_inboxevent")
    assert "index succeeds" in stage.manage("deadletters", "replay", event.id, "--rehearse").stdout


@pytest.mark.django_db(databases=["default", "other"])
def test_command_says_that_a_replay_would_call_nothing_when_the_inbox_has_the_event(bury, command):
    event = event_from(post_save, Article, instance=Article(pk=1, title="one"), created=True)
    bury("index", event.id, body=encode_event(replace(event, routing_key="")))
    assert "index succeeds" in command("replay", event.id, "--rehearse")
    deliver("index", event)
    assert "would not call index: its inbox has the event" in command("replay", event.id, "--rehearse")


@pytest.mark.django_db(databases=["default", "other"])
def test_rehearsal_shows_no_secret_when_the_exception_names_one(own_registry):
    @subscribe("foo.#")
    def fails(event):
        raise LookupError("nobody has token=sown")

    assert rehearsed(fails).exception == "builtins.LookupError: nobody has token=***"


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
@pytest.mark.parametrize("inbox", [True, False])
def test_rehearsal_takes_a_durable_block_as_a_worker_does(own_registry, inbox):
    @subscribe("foo.#", inbox=inbox)
    def durable(event):
        with transaction.atomic(durable=True):
            Seen.objects.create(handler="durable", text="x", pid=0)

    found = rehearsed(durable)
    assert (found.exception.startswith("builtins.RuntimeError: A durable"), len(found.writes)) == (inbox, not inbox)
    assert not Seen.objects.exists()


@pytest.mark.django_db(databases=["default", "other"])
def test_rehearsal_gives_a_batch_handler_a_list(own_registry):
    @subscribe("foo.#", batch=10)
    def together(events: list[Event]):
        Seen.objects.create(handler="together", text=len(events), pid=0)
        raise BatchFailed({events[0].id: KeyError("bad")})

    rehearsal = rehearsed(together)
    assert rehearsal.writes[0].values == "'together', '1', 0"
    assert rehearsal.exception == "builtins.KeyError: 'bad'"


@pytest.mark.django_db(databases=["default", "other"])
def test_no_place_is_told_when_what_failed_was_never_raised(own_registry, capsys):
    @subscribe("foo.#", batch=10)
    def together(events):
        raise BatchFailed({events[0].id: KeyError("bad")})

    printed = Rehearsals(OutputWrapper(sys.stdout), OutputWrapper(sys.stderr), format="table", traceback=True)
    printed.tell(rehearsed(together))
    out, err = capsys.readouterr()
    assert "together raises builtins.KeyError: 'bad' (reads: " in out
    assert err == ""


@pytest.mark.django_db(databases=["default", "other"])
def test_rehearsal_fails_when_the_handler_caught_a_database_error_as_it_does_in_a_worker(own_registry):
    @subscribe("foo.#")
    def catching(event):
        Seen.objects.create(pk=1, handler="catching", text="effect", pid=0)
        with suppress(IntegrityError):
            Seen.objects.create(pk=1, handler="catching", text="taken", pid=0)

    assert rehearsed(catching).exception.startswith("consumers.exceptions.HandlerRolledBack: ")


@pytest.mark.django_db(databases=["default", "other"])
def test_rehearsal_blames_no_error_of_the_letter_before(own_registry):
    @subscribe("foo.#")
    def catching(event):
        with suppress(ZeroDivisionError), transaction.mark_for_rollback_on_error(using="default"):
            raise ZeroDivisionError("of the first")

    @subscribe("foo.#")
    def giving_up(event):
        transaction.set_rollback(True)

    assert "of the first" in rehearsed(catching).exception
    assert "of the first" not in rehearsed(giving_up).exception


@pytest.fixture
def unreachable(monkeypatch):
    """The database `other` has gone away."""

    def refuse():
        raise OperationalError("nobody there")

    monkeypatch.setattr(connections["other"], "ensure_connection", refuse)


@pytest.mark.django_db(databases=["default", "other"])
def test_rehearsal_names_the_database_that_it_did_not_reach(own_registry, unreachable):
    @subscribe("foo.#")
    def writes(event):
        Seen.objects.create(handler="writes", text="", pid=7)

    rehearsal = rehearsed(writes)
    assert (rehearsal.exception, len(rehearsal.writes)) == ("", 1)
    assert rehearsal.warning.endswith(" Not reached: other.")
    assert not Seen.objects.exists()


@pytest.mark.django_db(databases=["default", "other"])
def test_rehearsal_writes_nothing_when_a_database_comes_back_in_the_middle(own_registry, unreachable, monkeypatch):
    @subscribe("foo.#")
    def writes(event):
        monkeypatch.undo()
        Article.objects.using("other").create(title="kept")

    assert rehearsed(writes).exception == "django.db.utils.OperationalError: nobody there"


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize("batch", [0, 5])
def test_handler_finds_its_event_in_a_rehearsal(own_registry, batch):
    @subscribe("foo.#", batch=batch)
    def looking(event):
        Seen.objects.create(handler="looking", text=current_event().type, pid=0)

    assert "tests.foo.signals.article_flagged" in rehearsed(looking).writes[0].values


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize("exc", [SystemExit(3), GeneratorExit()], ids=repr)
def test_rehearsal_shows_what_ends_no_worker_either(own_registry, exc):
    @subscribe("foo.#")
    def ends(event):
        raise exc

    assert rehearsed(ends).exception.startswith(f"builtins.{type(exc).__name__}")


@pytest.mark.django_db(databases=["default", "other"])
def test_letter_whose_handler_ended_its_process_is_rehearsed_when_it_is_named(bury, command):
    bury("index", "i1", reason="crashed")
    bury("index", "i2", reason="malformed")
    with pytest.raises(CommandError, match="1 of 1"):
        command("replay", "--all", "--rehearse")
    assert ("i1: index" in command.out, "i2: index" in command.out) == (False, True)
    assert "i1: not rehearsed, since index ended its process with it" in command.err
    with pytest.raises(CommandError, match="1 of 1"):
        command("replay", "i1", "--rehearse")
    assert "i1: index" in command.out


@pytest.mark.django_db(databases=["default", "other"])
def test_nothing_is_said_of_the_filters_when_all_that_they_leave_ended_their_process(bury, command):
    bury("index", "i1", reason="crashed")
    command("replay", "--all", "--rehearse")
    assert command.err.startswith("i1: not rehearsed")
    assert "None of" not in command.err


@pytest.mark.django_db(databases=["default", "other"])
def test_rehearsal_ends_at_ctrl_c(own_registry):
    @subscribe("foo.#")
    def hangs(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rehearsed(hangs)


def test_letter_is_called_by_its_events_id_when_the_message_has_none(declared, command):
    declared.publish_to("index.dead", b'{"id": "ev-42"}')
    assert '"ev-42"' in command("show", "ev-42")


@pytest.mark.parametrize("action", ["replay", "discard"])
def test_command_tells_programs_what_it_did(bury, command, action):
    bury("index", "i1")
    bury("index", "i2")
    assert json.loads(command(action, "i2", "--format", "json")) == {f"{action}ed": ["i2"]}
    assert ids(command) == ["i1"]


def test_no_near_name_is_offered_when_a_stranger_was_looked_for(declared, command):
    with pytest.raises(CommandError, match="none whose queue") as caught:
        command("list", "--handler", "spam.index")
    assert "mean" not in str(caught.value)


def test_letters_are_found_by_their_queues_name_whatever_the_service(bridge, declared, command, names):
    """A script without settings has a SERVICE of its own."""
    queue = f"{names['SERVICE']}-script.alone"
    with Connection(bridge["BROKER_URL"], "test") as connection:
        connection.declare(subscription(names["EXCHANGE"], queue, ["a.#"]))
    publish = partial(declared.channel.basic_publish, "", f"{queue}.dead", b"{}")
    for number in range(2):
        publish(BasicProperties(message_id=f"s{number}"))
    try:
        assert sorted(ids(command, "--handler", queue)) == ["s0", "s1"]
        command("replay", "s0", "--handler", queue)
        assert declared.channel.basic_get(queue, auto_ack=True)[1].message_id == "s0"
        eventually(lambda: ids(command, "--handler", queue) == ["s1"])
        assert command("discard", "s1", "--handler", queue, "--handler", queue) == "1 discarded.\n"
    finally:
        for name in (queue, f"{queue}.dead"):
            declared.channel.queue_delete(name)


def test_handler_in_the_code_is_found_by_its_queues_name(buried, command, declared):
    assert sorted(ids(command, "--handler", declared.name("log"), "--handler", "log")) == ["l1", "l2"]


@pytest.mark.django_db(databases=["default", "other"])
def test_rehearsal_says_which_database_is_away_when_it_is_the_inboxs(bury, command, monkeypatch):
    def refuse():
        raise OperationalError("nobody\nthere")

    bury("index", "i1")
    monkeypatch.setattr(connections["default"], "ensure_connection", refuse)
    monkeypatch.setattr(connections["default"], "cursor", refuse)
    with pytest.raises(CommandError, match=r"^The inbox of 'default': nobody there$") as caught:
        command("replay", "i1", "--rehearse")
    assert caught.value.returncode == 1


def test_letters_of_a_script_are_shown_replayed_and_discarded_by_its_handlers_name(bridge, bury, command, declared):
    """Its code is not in the project: what is known of it is its queue."""
    with Connection(bridge["BROKER_URL"], "test") as connection:
        connection.declare(topology_of([Handler(name="script", function=print, patterns=("a.#",))]))
    for number in range(3):
        bury("script", f"s{number}", key="a.key")
    assert sorted(ids(command, "--handler", "script")) == ["s0", "s1", "s2"]
    command("replay", "s0", "--handler", "script")
    (letter,) = declared.take("script")
    assert letter.properties.message_id == "s0"
    command("discard", "s1", "--handler", "script")
    with pytest.raises(CommandError, match="script is not in this project's code"):
        command("replay", "s2", "--rehearse", "--handler", "script")
    # What the command gave back is there again in a moment.
    eventually(lambda: declared.count("script.dead") == 1)
    for name in ("script", "script.dead"):
        declared.delete(name)


REHEARSED = """
from django.db import connection
from consumers import subscribe
from consumers.registry import handlers
from consumers.dead_letters.rehearsal import rehearse
from publisher.wire.event import encode_event, new_event
from tests.foo.models import Draft, Tag

@subscribe("x.#")
def handler(event):
    Draft.objects.create(text="before")
    {ends}
    Draft.objects.create(text="after")

Tag.objects.create(name="a")
event = new_event(source="/x", type="t", subject=None, partitionkey="p", data={{}})
handler = next(handler for handler in handlers() if handler.path.endswith(".handler"))
rehearsal = rehearse(handler, "1", encode_event(event), "x.y")
print(rehearsal.exception.partition(":")[0] or "none", Draft.objects.count(), rehearsal.warning)
"""
NOT_REHEARSABLE = "consumers.exceptions.NotRehearsable 0 Rolled back. "


@pytest.mark.parametrize("engine", ["mariadb", "postgres"])
def test_rehearsal_leaves_nothing_when_the_handler_empties_a_table(stage, engine):
    """On MySQL that would commit what it wrote before."""
    told = stage.python(REHEARSED.format(ends='connection.cursor().execute("TRUNCATE TABLE foo_draft")'))
    assert told.startswith(NOT_REHEARSABLE if engine == "mariadb" else "none 0 Rolled back. ")


@pytest.mark.parametrize("engine", ["sqlite", "mariadb", "postgres"])
@pytest.mark.parametrize("statement", ["COMMIT", " rollback;"])
def test_rehearsal_leaves_nothing_when_the_handler_would_end_the_transaction(stage, statement):
    told = stage.python(REHEARSED.format(ends=f"connection.cursor().execute({statement!r})"))
    assert told.startswith(NOT_REHEARSABLE)


@pytest.mark.parametrize("engine", ["sqlite", "mariadb", "postgres"])
@pytest.mark.parametrize("ends", ["connection.connection.commit()", 'connection.connection.cursor().execute("COMMIT")'])
def test_rehearsal_says_what_stays_when_the_handler_commits_behind_djangos_back(stage, ends):
    told = stage.python(REHEARSED.format(ends=ends))
    assert told.partition(" ")[2].partition(" ")[0] in ("1", "2")
    assert "NOT ROLLED BACK on default: " in told
    assert told.count("Rolled back.") == 0


def test_rehearsal_ends_with_the_letter_whose_handler_committed(bury, stage):
    code = """
from django.db import connection
from consumers import subscribe
from tests.foo.models import Draft

@subscribe("t.commits")
def commits(event):
    Draft.objects.create(text="a")
    connection.connection.commit()
"""
    (stage.folder / "committing.py").write_text(code)
    stage.env |= {"TEST_HANDLERS": "committing", "PYTHONPATH": str(stage.folder)}
    stage.manage("topology", "--declare")
    for number in range(2):
        bury("commits", f"c{number}", key="t.commits", body=Queues.body({}, id=f"c{number}"))
    told = stage.manage("deadletters", "replay", "--all", "--rehearse", check=False)
    assert (told.returncode, told.stdout.count("NOT ROLLED BACK"), "Traceback" in told.stderr) == (1, 1, False)
    assert "committed" in told.stderr
