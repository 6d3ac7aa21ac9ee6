"""Events as they pass, seen by a process of its own."""

import json
import signal
import subprocess
import sys

import pytest

from consumers.management.commands.tail import as_json, as_text
from tests.stage import ROOT, eventually

EVENT = (
    b'{"specversion":"1.0","id":"1","source":"/x","type":"t","subject":"a/1","time":"2026-11-24T08:00:00.5Z",'
    b'"data":{"n":1}}'
)
LOGGED = ("INFO", "WARNING", "Looking")


@pytest.fixture
def tailing(stage):
    def tail(*arguments, **env):
        process = stage.start("tail", *arguments, **env)
        eventually(lambda: "Looking at the exchange" in process.log.read_text() or process.poll() is not None)
        process.lines = lambda: [line for line in process.log.read_text().splitlines() if not line.startswith(LOGGED)]
        return process

    return tail


def test_events_are_shown_as_they_pass_and_handlers_get_them_too(stage, tailing, queues):
    stage.manage("topology", "--declare")
    tail = tailing("db.post_save.#", "--format", "json")
    stage.python(
        "from tests.foo.models import Article, Tag\nArticle.objects.create(title='one', api_token='planted')\n"
        "Article.objects.all().delete()\nTag.objects.create(name='two')"
    )
    stage.manage("relay", "--once")
    events = [json.loads(line) for line in eventually(lambda: tail.lines() if len(tail.lines()) == 2 else None)]
    assert [event["routing_key"] for event in events] == ["db.post_save.foo.article", "db.post_save.foo.tag"]
    assert events[0]["data"]["kwargs"]["instance"]["fields"]["title"] == "one"
    assert "planted" not in tail.log.read_text()
    assert queues.count("index") == 1
    tail.send_signal(signal.SIGINT)
    assert tail.wait(10) == 0
    assert [line for line in tail.log.read_text().splitlines() if "rror" in line] == []


def test_tail_ends_after_so_many(tailing, queues):
    tail = tailing("--count", "2")
    queues.event("t.0", {})
    queues.event("t.1", {})
    assert tail.wait(10) == 0
    assert [line.split()[0] for line in tail.lines()] == ["t.0", "t.1"]


def test_tail_ends_when_nobody_reads_it_any_more(stage, queues):
    command = [sys.executable, "manage.py", "tail"]
    with (
        (stage.folder / "tail.log").open("w+") as log,
        subprocess.Popen(command, cwd=ROOT, env=stage.env, stdout=subprocess.PIPE, stderr=log, text=True) as tail,
    ):
        try:
            eventually(lambda: "Looking at" in (stage.folder / "tail.log").read_text())
            queues.event("t.0", {})
            assert tail.stdout.readline().split()[0] == "t.0"
            tail.stdout.close()
            queues.event("t.1", {})
            assert tail.wait(10) == 0
        finally:
            tail.kill()
    said = (stage.folder / "tail.log").read_text()
    assert ("lost" in said, "rror" in said) == (False, False)


def test_tail_follows_when_its_connection_was_lost(tailing, queues, late_broker):
    late_broker.open()
    tail = tailing("t.#", BROKER_URL=late_broker.url)
    queues.event("t.one", {})
    eventually(lambda: len(tail.lines()) == 1)
    late_broker.close()
    eventually(lambda: "connection lost" in tail.log.read_text())
    late_broker.open()
    eventually(lambda: tail.log.read_text().count("Looking at the exchange") == 2)
    queues.event("t.two", {})
    eventually(lambda: len(tail.lines()) == 2)


def test_tail_ends_with_78_when_the_password_is_wrong(stage):
    done = stage.manage("tail", check=False, BROKER_URL=stage.env["BROKER_URL"].replace("guest@", "planted@"))
    assert (done.returncode, "planted" in done.stdout + done.stderr) == (78, False)


@pytest.mark.parametrize("pattern", ["x" * 256, "é" * 128])
def test_pattern_that_no_key_can_be_as_long_as_is_wrong_usage(stage, pattern):
    done = stage.manage("tail", "t.#", pattern, check=False)
    assert done.returncode == 2
    assert "AMQP's short strings hold 255 bytes" in done.stderr
    assert "Traceback" not in done.stderr


def test_line_has_the_whole_event_for_programs():
    assert json.loads(as_json("a.key", EVENT)) == {
        **json.loads(EVENT),
        "time": "2026-11-24T08:00:00.500000Z",
        "routing_key": "a.key",
    }


def test_line_says_what_is_wrong_when_it_is_no_event():
    assert json.loads(as_json("a.key", b"{"))["malformed"].startswith("not a CloudEvent")
    assert "not a CloudEvent" in as_text("a.key", b"{")


def test_line_does_not_steer_the_terminal():
    line = as_text("a.key\x1b[2J", EVENT.replace(b"a/1", b"a\\u001b[31m"))
    assert "\x1b" not in line
    assert "a.key\ufffd[2J" in line
