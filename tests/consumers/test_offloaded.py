"""Receivers taken out of the request, run by a consumer: real processes, over a real broker."""

import json
import os
import re
import signal
import time
import urllib.request
from statistics import median

import pytest

from tests.stage import eventually
from tools.ports import assign

AWAY = "tests.away.receivers"
SLOW_SECONDS = 0.3


@pytest.fixture
def away(stage, queues):
    """A stage whose processes have the app `away`; `offload` says which of its receivers leave."""
    stage.env |= {"TEST_APPS": "tests.away", "TEST_NOTES": str(stage.folder / "notes")}

    def offload(*names):
        stage.env["TEST_OFFLOAD"] = ",".join(f"{AWAY}.{name}" for name in names)

    def offload_as(name, **how):
        stage.env["TEST_OFFLOAD_ENTRIES"] = json.dumps([{"receiver": f"{AWAY}.{name}", **how}])

    def consume(*arguments, **env):
        worker = stage.start("consume", *arguments, **env)
        eventually(lambda: "consuming" in worker.log.read_text())
        return worker

    def notes(text):
        path = stage.folder / "notes"
        return path.read_text().splitlines().count(text) if path.exists() else 0

    def texts(handler):
        return sorted(text for _, text, _ in stage.seen(handler))

    stage.offload, stage.offload_as, stage.consume = offload, offload_as, consume
    stage.notes, stage.texts = notes, texts
    yield stage
    for name in set(re.findall(r"consuming queues=(\S+)", "".join(each.log.read_text() for each in stage.running))):
        for handler in name.replace(f"{queues.service}.", "").split(","):
            queues.delete(handler)
            queues.delete(f"{handler}.dead")
    queues.channel.exchange_delete(f"{queues.exchange}.offload")


class Site:
    """The web process, as a visitor meets it."""

    def __init__(self, stage):
        self.port = assign(["web"], fixed={}, last={})["web"]
        self.process = stage.start("runserver", "--noreload", f"127.0.0.1:{self.port}")
        eventually(self.is_up)

    def is_up(self):
        try:
            return self.get("/healthz")
        except OSError:
            return False

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            return answer.read().decode()

    def seconds(self, path):
        began = time.perf_counter()
        self.get(path)
        return time.perf_counter() - began


def test_slow_receiver_leaves_the_request_by_a_line_of_settings(away):
    slow = Site(away)
    assert min(slow.seconds("/away/save/?title=before") for _ in range(3)) >= SLOW_SECONDS
    assert len(away.texts("reindex")) == 3
    away.offload("reindex")
    relay, worker, quick = away.start("relay"), away.consume(), Site(away)
    assert median(quick.seconds("/away/save/?title=after") for _ in range(7)) < SLOW_SECONDS / 2
    eventually(lambda: len(away.texts("reindex")) == 10)
    after = sorted((text, pid) for _, text, pid in away.seen("reindex") if "after" in text)
    assert after == sorted((f"Article {n} after True True", worker.pid) for n in range(4, 11))
    assert relay.poll() is None


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_effect_happens_once_though_the_consumer_is_killed_in_the_middle(away):
    away.offload("reindex")
    away.manage("topology", "--declare")
    site = Site(away)
    pks = [json.loads(site.get("/away/save/"))["pk"] for _ in range(3)]
    away.manage("relay", "--once")
    first = away.consume(f"{AWAY}.reindex", TEST_SLOW_AT_END_SECONDS="60")
    eventually(lambda: any(away.notes(f"written {pk}") for pk in pks))
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait(10) == -signal.SIGKILL
    assert away.texts("reindex") == []
    away.manage("consume", f"{AWAY}.reindex", "--until-empty")
    assert away.texts("reindex") == sorted(f"Article {pk} x True True" for pk in pks)
    assert sum(away.notes(f"written {pk}") for pk in pks) > 3, "what had been done was undone, and done again"


def test_slow_receiver_keeps_no_writer_waiting_on_sqlite(away):
    away.offload("reindex")
    away.start("relay")
    worker = away.consume(TEST_SLOW_SECONDS="60")
    site = Site(away)
    site.get("/away/save/")
    eventually(lambda: away.notes("reindex 1"))
    assert site.seconds("/away/save/") < 15, "the lock is waited for 20 seconds, and then the request fails"
    worker.kill()


def test_every_kind_of_receiver_gets_what_was_sent(away):
    away.offload("count_tags", "Mailer*", "hidden", "wrapped", "asynchronous", "tagged")
    away.python(
        "from django.test import Client\n"
        "from tests.foo.models import Article, Tag\n"
        "Client().get('/away/place/7/')\n"
        "tag = Tag.objects.create(name='a'); article = Article.objects.create(title='x')\n"
        "article.tags.add(tag); tag.delete()\n"
    )
    assert {text for handler, text, _ in away.seen() if handler != "reindex"} == set()
    away.consume()
    away.manage("relay", "--once")
    eventually(lambda: len(away.seen()) >= 12)
    assert {handler: away.texts(handler) for handler in ("mailer", "called", "hidden", "wrapped", "asynchronous")} == {
        "mailer": ["first 7", "second 7"],
        "called": ["first 7"],
        "hidden": ["7"],
        "wrapped": ["7"],
        "asynchronous": ["7"],
    }
    assert away.texts("count_tags") == ["0 False", "0 True"], "the senders are the classes, the signals two"
    assert away.texts("tagged") == ["post_add 1 [1]", "pre_add 1 [1]"]


def test_receiver_that_fails_is_tried_again_and_then_a_dead_letter(away):
    away.offload("flaky")
    away.consume()
    away.python("from django.test import Client\nClient().get('/away/ship/7/')")
    away.manage("relay", "--once")
    eventually(lambda: away.texts("flaky") == ["7"])
    assert away.notes("flaky 7") == 2


SAVES = """
from tests.foo.models import Article
one, other = Article.objects.create(title="0"), Article.objects.create(title="x")
for n in range(1, 8):
    one.title = str(n)
    one.save()
"""


def test_events_of_an_object_are_handled_in_order_when_the_entry_says_so(away):
    away.offload_as("reindex", ordered=True)
    away.consume("--threads", "4", TEST_SLOW_SECONDS="0.1")
    away.python(SAVES)
    away.manage("relay", "--once")
    eventually(lambda: len(away.seen("reindex")) == 9)
    notes = (away.folder / "notes").read_text().splitlines()
    assert [each for each in notes if each.endswith(" 1")] == ["reindex 1", "written 1"] * 8, "one at a time"
    assert [text.split()[2] for _, text, _ in away.seen("reindex") if " 1 " in text] == list("01234567")
    (row,) = json.loads(away.manage("signals", "--offloaded", "--format", "json").stdout)
    assert row["ordered"] == row["offloaded"] == [f"{AWAY}.reindex"]


def test_events_of_an_object_are_handled_at_once_when_the_entry_says_nothing(away):
    away.offload("reindex")
    away.consume("--threads", "4", TEST_SLOW_SECONDS="0.5")
    away.python(SAVES)
    away.manage("relay", "--once")
    eventually(lambda: len(away.seen("reindex")) == 9)
    assert (away.folder / "notes").read_text().splitlines()[:2].count("written 1") == 0


def test_receiver_is_tried_as_often_as_the_entry_says(away, queues):
    away.offload_as("flaky", retry=[])
    away.consume()
    away.python("from django.test import Client\nClient().get('/away/ship/7/')")
    away.manage("relay", "--once")
    (letter,) = eventually(lambda: queues.peek(f"{AWAY}.flaky.dead"))
    assert letter.headers["x-reason"] == "failed"
    assert (away.notes("flaky 7"), away.texts("flaky")) == (1, [])


def test_receiver_that_saves_its_object_again_ends(away):
    """Its guard is a flag on the instance, which does not travel: without the bridge's own it would go round."""
    away.offload("log_all")
    away.start("relay")
    worker = away.consume(f"{AWAY}.log_all")
    for pk in (1, 2):
        away.python(f"from tests.foo.models import Draft\nDraft.objects.create(pk={pk}, text='x')")
        eventually(lambda pk=pk: away.database.rows("SELECT text FROM foo_draft WHERE id = %s", [pk]) == [("x!",)])
    eventually(lambda: worker.log.read_text().count("handled event") == 2)
    assert away.outbox() == 0
    assert away.database.rows("SELECT text FROM foo_draft") == [("x!",), ("x!",)]


def test_event_is_kept_until_a_consumer_has_been_there_and_nobody_else_gets_it(away, queues):
    queues.bind("audit", "#")
    away.offload("hidden")
    relay = away.start("relay")
    away.python("from django.test import Client\nClient().get('/away/place/7/')")
    eventually(lambda: away.database.value("SELECT count(*) FROM publisher_parkedevent"))
    assert json.loads(away.manage("outbox", "--format", "json").stdout)["unroutable"]
    away.consume()
    eventually(lambda: away.texts("hidden") == ["7"])
    assert relay.poll() is None
    assert queues.count("audit") == 0
    queues.delete("audit")


def test_offloaded_receivers_are_listed_as_handlers_with_a_queue_each(away):
    away.offload("Mailer.send")
    rows = json.loads(away.manage("consume", "--list", "--format", "json").stdout)
    service = away.env["TEST_SERVICE"]
    found = [row for row in rows if row["handler"].startswith(AWAY)]
    assert found == [
        {
            "handler": f"{AWAY}.{name}",
            "function": f"{AWAY}.Mailer.send",
            "queue": f"{service}.{AWAY}.{name}",
            "keys": [f"@{service}.{AWAY}.{name}"],
            "forwarded": None,
        }
        for name in ("Mailer.send", "Mailer.send~2")
    ]
