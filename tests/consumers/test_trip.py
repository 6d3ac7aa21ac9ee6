"""One signal all the way, between real processes over a real broker."""

import os
import signal

import pytest

from tests.stage import eventually

PUBLISH = "from tests.foo.models import Article\nfor title in {titles!r}: Article.objects.create(title=title)"


@pytest.fixture
def consuming(stage):
    """A stage with a relay and a consumer that are ready."""
    relay, consumer = stage.start("relay"), stage.start("consume")
    eventually(lambda: "connected" in relay.log.read_text() and "consuming" in consumer.log.read_text())
    stage.relay, stage.consumer = relay, consumer
    return stage


def test_post_save_reaches_a_handler_in_another_process(consuming):
    publisher = consuming.python(PUBLISH.format(titles=["one"]) + "\nimport os; print(os.getpid())")
    (seen,) = eventually(lambda: consuming.seen("index"))
    assert seen == ("index", "Article 1 one True", consuming.consumer.pid)
    assert str(seen[2]) != publisher.strip()
    assert eventually(lambda: consuming.seen("log"))[0][1] == "db.post_save.foo.article foo.article/1"
    eventually(lambda: consuming.outbox() == 0)


def test_article_view_greets_its_user_in_another_process(consuming):
    consuming.python("""
from django.contrib.auth.models import User
from django.test import Client
User.objects.create_user("ada", password="planted-password")
assert Client().post("/foo/login/", {"username": "ada", "password": "planted-password"}).status_code == 302
""")
    (seen,) = eventually(lambda: consuming.seen("greet"))
    assert seen[1] == "ada 1 /foo/login/ True"


def test_sender_is_the_instance_when_it_was_self(consuming):
    consuming.python("from tests.foo.models import Article\nArticle.objects.create(title='x').publish()")
    assert eventually(lambda: consuming.seen("announce"))[0][1] == "Article 1 x"


def test_rolled_back_write_leaves_nothing(consuming):
    consuming.python("""
from django.db import transaction
from tests.foo.models import Article
try:
    with transaction.atomic():
        Article.objects.create(title="never")
        raise RuntimeError
except RuntimeError:
    Article.objects.create(title="after")
""")
    eventually(lambda: consuming.seen("index"))
    assert [text for _, text, _ in consuming.seen("index")] == ["Article 1 after True"]
    assert consuming.outbox() == 0


def test_failing_handler_leaves_a_dead_letter_and_the_rest_goes_on(consuming, queues):
    consuming.python(PUBLISH.format(titles=["fail", "reject", "good"]))
    eventually(lambda: consuming.seen("index"))
    dead = eventually(lambda: letters if len(letters := queues.peek("index.dead")) == 2 else None)
    failed, rejected = sorted(dead, key=lambda letter: letter.headers["x-reason"])
    assert failed.headers["x-reason"] == "failed"
    assert failed.headers["x-exception"] == "builtins.ValueError"
    assert failed.headers["x-text"] == "cannot index this"
    assert failed.headers["x-handler"] == "index"
    assert failed.headers["x-where"].startswith("bar/consumers.py:")
    assert b'"title":"fail"' in failed.body
    assert (rejected.headers["x-reason"], rejected.headers["x-text"]) == ("rejected", "never")
    assert queues.count("index") == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff not json", "malformed"),
        (b'{"hello": "world"}', "malformed"),
        (b'{"specversion":"1.0","id":"1","source":"/x","type":"no.such.signal"}', "unknown type"),
    ],
)
def test_bad_message_ends_in_the_dead_letters_and_the_consumer_goes_on(consuming, queues, body, reason):
    queues.publish("db.post_save.foo.article", body)
    (letter,) = eventually(lambda: queues.peek("index.dead"))
    assert letter.headers["x-reason"] == reason
    assert letter.body == body
    consuming.python(PUBLISH.format(titles=["good"]))
    assert eventually(lambda: consuming.seen("index"))


def test_consumer_and_relay_end_with_zero_when_terminated(consuming):
    for process in (consuming.relay, consuming.consumer):
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, process.log.read_text()


def test_backlog_is_handled_when_consumers_come_later(stage):
    stage.manage("topology", "--declare")
    stage.python(PUBLISH.format(titles=["one", "two"]))
    stage.manage("relay", "--once")
    assert stage.outbox() == 0
    stage.manage("consume", "index", "--until-empty")
    assert sorted(text for _, text, _ in stage.seen()) == ["Article 1 one True", "Article 2 two True"]
    assert all(pid != os.getpid() for _, _, pid in stage.seen())


def test_script_runs_its_own_handlers_alone(stage):
    script = stage.start("-m", "tests.bar.script")
    eventually(lambda: "consuming" in script.log.read_text())
    stage.python(PUBLISH.format(titles=["one"]))
    stage.manage("relay", "--once")
    eventually(lambda: stage.seen("scripted"))
    script.send_signal(signal.SIGTERM)
    assert script.wait(10) == 0
    assert [handler for handler, _, _ in stage.seen()] == ["scripted"]
