"""What becomes of rows that the broker does not take: parked, kept or counted, alone, and never in silence."""

import json
import re
import time
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from consumers.bindings import keys_of
from consumers.discovery import all_patterns, discover
from publisher.models import OutboxEvent, ParkedEvent
from publisher.outbox.parked import ParkedQuerySet
from publisher.relay.care import Care
from publisher.relay.session import Session
from publisher.wire.sender import Outcome
from tests.leasing import held
from tests.publisher.relay.test_nacked import Silent
from tests.queues import Queues
from tests.stage import ROOT, eventually

TRACED = """
from publisher.wire.origin import Origin, originating
trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
originating(Origin(traceparent=trace, correlationid="r-1")).__enter__()
"""
SAVE = "from tests.foo.models import Article\nfor title in {titles!r}: Article.objects.create(title=title)"


def ledger(stage):
    return json.loads(stage.manage("outbox", "--format", "json").stdout)


def kept(stage):
    return stage.database.value("SELECT count(*) FROM publisher_parkedevent WHERE kind = 'unroutable'")


def titles(letters):
    return [json.loads(letter.body)["data"]["kwargs"]["instance"]["fields"]["title"] for letter in letters]


def test_row_with_a_bad_property_is_parked_alone(stage, queues):
    queues.bind("q", "#")
    stage.python(TRACED + SAVE.format(titles=["before", "bad", "after"]))
    stage.database.rows("UPDATE publisher_outboxevent SET type = %s WHERE id = 2", ["x" * 300])
    said = stage.manage("relay", "--once").stderr
    assert titles(queues.take("q")) == ["before", "after"]
    assert "trace=4bf92f3577b34da6a3ce929d0e0e4736 request=r-1 key=db.post_save.foo.article: AMQP" in said
    (parked,) = ledger(stage)["parked"]
    assert parked["id"] == 2
    assert "255 bytes" in parked["reason"]
    queues.delete("q")


def test_message_too_large_is_parked_and_the_line_goes_on(strict_node, tmp_path, databases, names, django_db_blocker):
    from tests.stage import Stage

    queues = Queues(strict_node.url, names)
    queues.bind("q", "#")
    with django_db_blocker.unblock(), databases.fresh("sqlite") as database:
        stage = Stage(tmp_path, database, strict_node.url, names)
        stage.python(SAVE.format(titles=[str(n) for n in range(100)]))
        stage.database.rows(
            "UPDATE publisher_outboxevent SET body = CAST(body || zeroblob(100000) AS BLOB) WHERE id IN (20, 70)"
        )
        done = stage.manage("relay", "--once")
        assert stage.outbox() == 0
        state = ledger(stage)
        assert [parked["id"] for parked in state["parked"]] == [20, 70]
        assert "larger than" in state["parked"][0]["reason"]
        assert done.stderr.count("parked") == 2
        letters = titles(queues.take("q"))
        assert sorted(set(letters), key=int) == [str(n) for n in range(100) if n not in (19, 69)]
        first = dict.fromkeys(letters)
        assert list(first) == sorted(first, key=int), "first arrivals are in outbox order"
        assert "20 put back" not in stage.manage("outbox", "discard", "20").stdout
        assert [parked["id"] for parked in ledger(stage)["parked"]] == [70]
        stage.manage("outbox", "retry", "--all")
        assert stage.outbox() == 1
    queues.close()


AGAIN = """
from tests.foo.models import Article
ones = [Article.objects.create(title=str(n)) for n in range(3)]
for n in range(40): ones[n % 3].save(); Article.objects.create(title=str(n))
"""


def test_rows_leave_in_the_order_of_the_outbox_before_a_key_is_known_to_have_a_queue(stage, queues):
    """Of all, and not only of those of one `partitionkey`: nothing is refused, so nothing has to wait for a pause."""
    queues.bind("q", "#")
    stage.python(AGAIN)
    stage.manage("relay", "--once")
    ids = [json.loads(letter.body)["id"] for letter in queues.take("q")]
    assert len(ids) == 83
    assert ids == sorted(ids)
    queues.delete("q")


DELETE = "\nArticle.objects.all().delete()"


def deleting(**rule):
    """A rule for deletions of articles, which `tests.bar.consumers.log` handles."""
    rule = {"signal": "django.db.models.signals.post_delete", "senders": ["foo.article"], **rule}
    return {"TEST_FORWARD": json.dumps([rule])}


NOBODYS = deleting(routing_key="nobody.takes.it")


@pytest.mark.parametrize(
    ("env", "key"),
    [
        (deleting(unroutable="drop"), "db.post_delete.foo.article"),
        ({"TEST_UNROUTABLE_HERE": "drop"}, "db.post_delete.foo.article"),
        (NOBODYS, "nobody.takes.it"),
    ],
    ids=["rule", "project", "nobody"],
)
def test_unroutable_events_are_counted_by_key_and_dropped(stage, queues, env, key):
    """Where the rule says so, or no handler of the project is there for them."""
    queues.bind("q", "db.post_save.#")
    stage.python(SAVE.format(titles="abc") + DELETE, **env)
    done = stage.manage("relay", "--once", **env)
    assert ledger(stage)["unroutable"] == [{"routing_key": key, "dropped": 3, "kept": 0}]
    assert done.stderr.count(f"unroutable key={key}") == 1
    assert stage.outbox() == 0
    queues.delete("q")


@pytest.mark.parametrize("env", [{}, {"TEST_HANDLERS": "tests.not_there"}], ids=["handler", "unknown"])
def test_unroutable_events_are_kept_when_a_handler_of_the_project_is_there_for_them(stage, queues, env):
    """Its queue is not there yet, or not any more: a broker came back empty. Where it cannot be told, all are kept."""
    queues.bind("q", "db.post_save.#")
    stage.python(SAVE.format(titles="abc") + DELETE, **env)
    said = stage.manage("relay", "--once", "--skip-checks", **env).stderr
    assert ledger(stage)["unroutable"] == [{"routing_key": "db.post_delete.foo.article", "dropped": 0, "kept": 3}]
    assert ("tests.not_there: ModuleNotFoundError: No module" in said) == bool(env)
    assert said.count("kept key=db.post_delete.foo.article event=") == 1
    assert "no queue is bound; run `manage.py topology --declare`" in said
    queues.bind("late", "db.post_delete.#")
    relay = stage.start("relay", "--skip-checks", **env)
    eventually(lambda: queues.count("late") == 3)
    assert titles(queues.take("late")) == list("cba"), "as Django deletes them"
    assert relay.poll() is None
    queues.delete("q")
    queues.delete("late")


def test_events_are_dropped_that_were_kept_for_a_handler_that_is_gone(stage, queues):
    env = {**NOBODYS, "TEST_HANDLERS": "tests.not_there"}
    stage.python(SAVE.format(titles="abc") + DELETE, **env)
    stage.manage("relay", "--once", "--skip-checks", **env)
    assert kept(stage) == 6
    relay = stage.start("relay")
    eventually(lambda: kept(stage) == 3)
    dropped = {row["routing_key"]: (row["dropped"], row["kept"]) for row in ledger(stage)["unroutable"]}
    assert dropped == {"nobody.takes.it": (3, 0), "db.post_save.foo.article": (0, 3)}
    assert relay.poll() is None


def test_nothing_is_kept_for_handlers_that_are_asked():
    asked = {key for handler in discover() if handler.ask for key in keys_of(handler)}
    assert asked
    assert "db.*.foo.article" in all_patterns()
    assert not asked & all_patterns()


@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_kept_events_go_out_in_order_when_a_binding_appears(stage, queues):
    env = {"TEST_UNROUTABLE": "keep"}
    relay = stage.start("relay", **env)
    stage.python(SAVE.format(titles="abc"), **env)
    eventually(lambda: kept(stage) == 3)
    assert [row["kept"] for row in ledger(stage)["unroutable"]] == [3]
    stage.python(SAVE.format(titles="de"), **env)
    eventually(lambda: kept(stage) == 5)
    queues.bind("q", "#")
    eventually(lambda: queues.count("q") == 5)
    assert titles(queues.take("q")) == list("abcde")
    stage.python(SAVE.format(titles="f"), **env)
    eventually(lambda: queues.count("q") == 1)
    assert ledger(stage)["unroutable"] == []
    assert "bound again" in relay.log.read_text()
    queues.delete("q")


@pytest.mark.parametrize("engine", ["postgres"])
def test_line_goes_on_and_keeps_its_order_when_its_ids_begin_anew_while_events_are_parked(stage, queues):
    """As `sqlsequencereset` makes them, where the outbox is empty."""
    env = {"TEST_UNROUTABLE": "keep"}
    for some in ("abc", "def"):
        stage.python(SAVE.format(titles=some), **env)
        said = stage.manage("relay", "--once", **env).stderr
        stage.database.rows("ALTER SEQUENCE publisher_outboxevent_id_seq RESTART")
    assert kept(stage) == 6
    assert said.count("the outbox's ids began anew database=default: 3 parked events have lower ids now") == 1
    queues.bind("q", "#")
    stage.python(SAVE.format(titles="g"), **env)
    relay = stage.start("relay", **env)
    eventually(lambda: queues.count("q") == 7)
    assert titles(queues.take("q")) == list("abcdefg")
    assert "waiting for the database" not in relay.log.read_text()
    queues.delete("q")


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])
def test_keys_that_differ_in_case_alone_are_kept_and_go_out_each_by_itself(stage, queues):
    """To a database's collation they may be one, and to the broker they are not."""
    rule = {"signal": "django.db.models.signals.post_save", "unroutable": "keep", "senders": ["foo.article"]}
    env = {"TEST_FORWARD": json.dumps([{**rule, "routing_key": "kept.{kwargs[instance][fields][title]}"}])}
    stage.python(SAVE.format(titles=["NEW", "new", "n\\a", "new"]), **env)
    stage.manage("relay", "--once", **env)
    counts = {row["routing_key"]: row["kept"] for row in ledger(stage)["unroutable"]}
    assert counts == {"kept.NEW": 1, "kept.new": 2, "kept.n\\a": 1}
    queues.bind("q", "kept.new")
    relay = stage.start("relay", **env)
    eventually(lambda: queues.count("q") == 2)
    assert kept(stage) == 2
    assert relay.poll() is None
    queues.delete("q")


def test_relay_ends_soon_while_the_broker_has_an_alarm(stage, names, strict_node):
    queues = Queues(strict_node.url, names)
    queues.bind("q", "#")
    stage.env["BROKER_URL"] = strict_node.url
    relay = stage.start("relay")
    eventually(lambda: "connected" in relay.log.read_text())
    strict_node.ctl("eval", "vm_memory_monitor:set_vm_memory_high_watermark(0.00001).")
    try:
        stage.python(SAVE.format(titles="abc"))
        # Longer than it takes to send them: what is on its way is not confirmed.
        time.sleep(1)
        assert stage.outbox() == 3
        relay.terminate()
        assert relay.wait(10) == 0, relay.log.read_text()
    finally:
        strict_node.ctl("eval", "vm_memory_monitor:set_vm_memory_high_watermark(0.4).")
    stage.manage("relay", "--once")
    assert set(titles(queues.take("q"))) == set("abc")
    assert stage.outbox() == 0
    queues.delete("q")
    queues.close()


def test_outbox_command_says_what_is_there(stage, queues):
    queues.bind("q", "#")
    stage.python(SAVE.format(titles="ab"))
    state = ledger(stage)
    assert state["pending"] == 2
    assert 0 <= state["oldest_seconds"] < 60
    assert "2 pending, the oldest for" in stage.manage("outbox").stdout
    assert stage.manage("outbox", "retry", check=False).returncode == 2
    missing = stage.manage("outbox", "discard", "7", check=False)
    assert (missing.returncode, "Not parked: 7" in missing.stderr) == (1, True)
    queues.delete("q")


def test_event_for_an_offloaded_receiver_holds_nobody_up_when_the_relay_has_no_offload(stage, queues):
    queues.bind("q", "db.#")
    stage.python(SAVE.format(titles="abc"))
    key = "UPDATE publisher_outboxevent SET routing_key = %s WHERE id = 2"
    stage.database.rows(key, [f"@{queues.service}.shop.receivers.reindex"])
    relay = stage.start("relay")
    eventually(lambda: stage.outbox() == 0)
    assert titles(queues.take("q")) == ["a", "c"]
    assert relay.log.read_text().count("connected") == 1
    queues.delete("q")


def test_event_is_parked_alone_when_topic_permissions_forbid_its_key(stage, queues, broker):
    if broker.ctl is None:
        pytest.skip("somebody else's broker: no users are added there")
    queues.bind("q", "#")
    user, url = queues.service, urlsplit(stage.env["BROKER_URL"])
    broker.ctl("add_user", user, "password")
    broker.ctl("set_permissions", user, ".*", ".*", ".*")
    broker.ctl("set_topic_permissions", user, queues.exchange, r"^db\.", ".*")
    stage.python(SAVE.format(titles="abc"))
    stage.database.rows("UPDATE publisher_outboxevent SET routing_key = 'shop.order' WHERE id = 2")
    address = f"{url.hostname}:{url.port}{url.path}"
    stage.manage("relay", "--once", BROKER_URL=f"{url.scheme}://{user}:password@{address}")
    assert list(dict.fromkeys(titles(queues.take("q")))) == ["a", "c"]
    (parked,) = ledger(stage)["parked"]
    assert parked["id"] == 2
    assert "access to topic 'shop.order'" in parked["reason"]
    broker.ctl("delete_user", user)
    queues.delete("q")


def test_relay_needs_no_more_permissions_than_the_documentation_gives_it(stage, queues, broker):
    if broker.ctl is None:
        pytest.skip("somebody else's broker: no users are added there")
    documented = re.search(r"-p bridge shop-relay +'(.*?)' '(.*?)' '(.*?)'", (ROOT / "docs/operations.md").read_text())
    permissions = [pattern.replace("signals", re.escape(queues.exchange)) for pattern in documented.groups()]
    queues.bind("q", "db.#")
    user, url = queues.service, urlsplit(stage.env["BROKER_URL"])
    broker.ctl("add_user", user, "password")
    broker.ctl("set_permissions", user, *permissions)
    stage.python(SAVE.format(titles="abc"))
    stage.database.rows("UPDATE publisher_outboxevent SET routing_key = %s WHERE id = 2", [f"@{queues.service}.x"])
    stage.database.rows("UPDATE publisher_outboxevent SET routing_key = %s WHERE id = 3", [f"@@{queues.service}.x k"])
    stage.manage("relay", "--once", BROKER_URL=f"{url.scheme}://{user}:password@{url.hostname}:{url.port}{url.path}")
    assert stage.outbox() == 0
    assert titles(queues.take("q")) == ["a"]
    broker.ctl("delete_user", user)
    queues.delete("q")


class Kept:
    """A session over rows that are kept where no queue is bound, and a broker that says what a test makes it say."""

    def __init__(self, monkeypatch, *rows):
        self.now = 0.0
        self.sender = Silent()
        for module in ("session", "astray"):
            monkeypatch.setattr(f"publisher.relay.{module}.time", SimpleNamespace(monotonic=lambda: self.now))
        OutboxEvent.objects.bulk_create(
            OutboxEvent(message_id=n, type="t", routing_key="k", partitionkey=key, slot=1, keep_unroutable=True,
                        body=b"{}")
            for n, key in enumerate(rows, start=1)
        )  # fmt: skip
        self.session = Session("default", held(), self.sender, Care(most=2000, window=2000))

    def sent(self, after_seconds=0.0):
        """What goes out now, as ids of events."""
        self.now += after_seconds
        before = set(self.sender.in_flight)
        self.session.send_waiting()
        return [int(row.message_id) for tag, (row, _) in self.sender.in_flight.items() if tag not in before]

    def says(self, **outcomes):
        """`says(_1="confirmed")`: of the event 1, and so on, in this order."""
        for name, outcome in outcomes.items():
            (tag,) = [tag for tag, (row, _) in self.sender.in_flight.items() if row.message_id == name[1:]]
            self.sender.settled.append((self.sender.in_flight.pop(tag)[0], Outcome(outcome)))
        self.session.settle()
        self.session.delete()


@pytest.mark.django_db
def test_event_of_a_row_waits_for_the_one_before_until_its_key_is_known_to_lead_somewhere(monkeypatch):
    kept = Kept(monkeypatch, "a", "b", "a", "b", "c")
    # A queue may be bound between two that are on their way: then the first would come back, and the second arrive.
    assert kept.sent() == [1, 2]
    kept.says(_1="unroutable", _2="confirmed")
    assert kept.sent() == []
    assert set(ParkedEvent.objects.values_list("id", flat=True)) == {1, 3, 4, 5}
    assert kept.sent(after_seconds=3) == [1]
    kept.says(_1="confirmed")
    assert kept.sent() == [3, 4, 5]


@pytest.mark.django_db
def test_event_is_tried_under_a_lower_id_when_its_own_was_given_again_and_is_on_its_way(monkeypatch):
    kept = Kept(monkeypatch, "a", "a")
    kept.sent()
    kept.says(_1="unroutable")
    kept.sent()
    OutboxEvent.objects.create(id=1, message_id=3, type="t", routing_key="k2", partitionkey="b", slot=1, body=b"{}")
    assert kept.sent() == [3]
    assert kept.sent(after_seconds=3) == [1]
    kept.says(_1="confirmed", _3="confirmed")
    assert kept.sent() == [2]
    kept.says(_2="confirmed")
    assert (OutboxEvent.objects.count(), ParkedEvent.objects.count()) == (0, 0)


@pytest.mark.django_db
def test_event_that_is_tried_again_counts_once_as_unroutable(monkeypatch):
    kept = Kept(monkeypatch, "a", "b")
    kept.sent()
    kept.says(_1="unroutable", _2="unroutable")
    for _ in range(3):
        assert kept.sent(after_seconds=3) == [1]
        kept.says(_1="unroutable")
    assert kept.session.tally == {Outcome.UNROUTABLE: 2}


@pytest.mark.django_db
def test_keys_that_took_long_to_find_are_looked_for_less_often(monkeypatch):
    kept = Kept(monkeypatch, "a")
    kept.sent()
    kept.says(_1="unroutable")
    first = ParkedQuerySet.first_of_each_key

    def slow(rows):
        kept.now += 1.0
        return first(rows)

    monkeypatch.setattr(ParkedQuerySet, "first_of_each_key", slow)
    assert kept.sent(after_seconds=3) == [1]
    kept.says(_1="unroutable")
    assert kept.sent(after_seconds=10) == []
    assert kept.sent(after_seconds=50) == [1]


@pytest.mark.django_db
def test_event_that_came_back_just_before_its_key_leads_somewhere_goes_out_again(monkeypatch):
    kept = Kept(monkeypatch, "a", "b")
    assert kept.sent() == [1, 2]
    kept.says(_1="unroutable")
    assert kept.sent(after_seconds=3) == [1]
    kept.says(_2="unroutable", _1="confirmed")
    assert kept.sent() == [2]


@pytest.mark.django_db
def test_event_is_not_tried_while_an_older_one_of_its_key_is_out(monkeypatch):
    kept = Kept(monkeypatch, "a", "b", "a")
    assert kept.sent() == [1, 2]
    kept.says(_1="unroutable", _2="unroutable")
    kept.sent()
    assert kept.sent(after_seconds=3) == [1]
    # The broker takes its time.
    assert kept.sent(after_seconds=3) == []
    kept.says(_1="unroutable")
    assert kept.sent() == []
    assert kept.sent(after_seconds=3) == [1]
    kept.says(_1="confirmed")
    assert kept.sent() == [2, 3]


@pytest.mark.django_db
def test_event_that_was_out_when_its_session_ended_is_tried_before_later_ones(monkeypatch):
    kept = Kept(monkeypatch, "a", "a")
    kept.sent()
    kept.says(_1="unroutable")
    kept.sent()
    assert kept.sent(after_seconds=3) == [1]
    kept.sender = Silent()
    kept.session = Session("default", kept.session._leases, kept.sender, Care(most=2000, window=2000))
    # An alarm, for one, and nothing was sent before it was time to try again.
    assert kept.sent(after_seconds=3) == [1]
    kept.says(_1="confirmed")
    assert kept.sent() == [2]


@pytest.mark.django_db
def test_key_is_tried_with_the_next_event_when_the_one_that_was_out_is_gone(monkeypatch):
    kept = Kept(monkeypatch, "a", "a", "a")
    kept.sent()
    kept.says(_1="unroutable")
    kept.sent()
    assert kept.sent(after_seconds=3) == [1]
    kept.sender.in_flight.clear()
    OutboxEvent.objects.all().delete()
    assert kept.sent(after_seconds=3) == [2]
    kept.session.park(*[row for row, _ in kept.sender.in_flight.values()], "too large")
    kept.sender.in_flight.clear()
    assert kept.sent(after_seconds=3) == [3]
