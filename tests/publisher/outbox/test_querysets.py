"""What the relay reads of the outbox: whole rows in order, bounded in bytes, and not in rows alone."""

import json
import re
from pathlib import Path

import pytest
from django.db import connection

from publisher import counters
from publisher.models import OutboxEvent, UnroutableKey
from publisher.outbox.querysets import FETCHED_BYTES, SMALL_BYTES, WaitingRow, outbox, unroutable_keys
from publisher.relay.care import Care
from publisher.relay.session import READ_ROWS, Session
from publisher.wire.connection import Connection
from publisher.wire.sender import Sender
from tests.leasing import held
from tests.stage import eventually

MIB = 1024
HALF = FETCHED_BYTES // 2
SAVES = f"""
from django.db import transaction
from tests.foo.models import Article
with transaction.atomic():
    for n in range({READ_ROWS} + 200):
        Article.objects.create(title=str(n))
"""
LARGE = f"UPDATE publisher_outboxevent SET body = CAST(body || zeroblob(1000000) AS BLOB) WHERE id > {READ_ROWS}"


def sown(*sizes):
    """Events of such sizes wait; their ids."""
    rows = [
        OutboxEvent(
            message_id=str(n), type="t", routing_key="k", partitionkey=str(n), slot=0, keep_unroutable=False,
            body=str(n).encode().ljust(size),
        )
        for n, size in enumerate(sizes)
    ]  # fmt: skip
    for row in rows:
        row.save()
    return [row.id for row in rows]


@pytest.mark.django_db
@pytest.mark.parametrize("sizes", [(), (10, 10), (SMALL_BYTES, SMALL_BYTES + 1, 10), (HALF, HALF, 10)], ids=str)
def test_rows_are_read_whole_and_in_order(sizes):
    ids = sown(*sizes)
    rows, has_more = outbox("default").waiting([], 10)
    assert [row.id for row in rows] == ids
    assert [bytes(row.body) for row in rows] == [str(n).encode().ljust(size) for n, size in enumerate(sizes)]
    assert not has_more


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sizes", "read"),
    [
        ((HALF, HALF, HALF, 10), [2, 2]),
        ((10, 3 * HALF, 10), [3]),
        ((3 * HALF, 3 * HALF), [1, 1]),
        ((10, 10, HALF, HALF, HALF), [4, 1]),
    ],
    ids=str,
)
def test_no_more_is_read_at_a_time_than_fits_but_at_least_one(sizes, read):
    ids, besides = sown(*sizes), []
    for count in read:
        rows, has_more = outbox("default").waiting(besides, 10)
        assert len(rows) == count
        besides += [row.id for row in rows]
        assert has_more == (besides != ids)
    assert besides == ids


@pytest.mark.django_db
def test_there_may_be_more_when_as_many_were_there_as_were_asked_for():
    sown(10, 10, 10)
    assert [outbox("default").waiting([], most).has_more for most in (2, 3, 4)] == [True, True, False]


@pytest.mark.django_db
@pytest.mark.parametrize("statement", ["SELECT id, LENGTH(body)", "SELECT id, body"])
@pytest.mark.parametrize(("gone", "read", "left"), [("0", [], ["1", "2"]), ("1", ["0"], ["0", "2"])], ids=["0", "1"])
def test_row_is_left_out_when_it_is_gone_before_its_body_is_fetched(statement, gone, read, left):
    def deleting(execute, sql, params, many, context):
        if sql.startswith(statement):
            OutboxEvent.objects.filter(message_id=gone).delete()
        return execute(sql, params, many, context)

    sown(HALF, HALF, 10)
    with connection.execute_wrapper(deleting):
        rows, has_more = outbox("default").waiting([], 10)
    assert [row.message_id for row in rows] == read
    assert has_more
    assert [row.message_id for row in outbox("default").waiting([], 10).rows] == left


def test_memory_stays_flat_when_large_events_wait_behind_small_ones(stage, queues):
    queues.bind("q", "db.#")
    stage.python(SAVES)
    stage.database.rows(LARGE)
    relay = stage.start("relay")
    eventually(lambda: stage.outbox() == 0, 60)
    assert most_mib(relay.pid) < 140
    assert queues.count("q") == READ_ROWS + 200
    queues.delete("q")


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])
def test_large_events_are_relayed_whole_and_in_their_place(stage, queues):
    queues.bind("q", "db.post_save.#")
    stage.python(
        "from tests.foo.models import Article\n"
        "for size in (1, 9_000, 2, 300_000, 3_000_000, 3):\n"
        "    Article.objects.create(title='x', data={'text': 'x' * size})"
    )
    stage.manage("relay", "--once")
    fields = [json.loads(message.body)["data"]["kwargs"]["instance"]["fields"] for message in queues.take("q")]
    assert [len(each["data"]["text"]) for each in fields] == [1, 9_000, 2, 300_000, 3_000_000, 3]
    queues.delete("q")


@pytest.mark.django_db(transaction=True)
def test_no_more_is_sent_while_the_broker_has_said_nothing_of_much(bridge, queues, monkeypatch):
    monkeypatch.setattr("publisher.relay.session.IN_FLIGHT_BYTES", 1000)
    queues.bind("q", "#")
    for number in range(4):
        OutboxEvent.objects.create(
            message_id=str(number), type="t", routing_key="k", partitionkey=str(number), slot=0, keep_unroutable=False,
            body=b"x" * 500,
        )  # fmt: skip
    with Connection(bridge["BROKER_URL"], "test") as connection:
        session = Session("default", held(), Sender(connection, queues.exchange), Care(most=1, window=1))
        session.send_waiting()
        session.sender.flush()
        session.settle()
        session.care = Care(most=2000, window=2000)
        # What the broker says is not heard before the next `poll`.
        session._send([WaitingRow(9, "9", "t", "k", "9", 0, False, b"x" * 1000)])
        sent = list(session.sender.in_flight)
        assert session.sender.has_room
        session.send_waiting()
        assert list(session.sender.in_flight) == sent
        session.sender.flush()
        session.settle()
        session.send_waiting()
        assert session.sender.in_flight
        session.sender.flush()
    queues.delete("q")


def most_mib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / MIB


COUNTS = """
from datetime import timedelta
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from publisher.models import UnroutableKey
from publisher.outbox.querysets import unroutable_keys

counts = {f"key.{n}": 1 + n % 3 for n in range(700)}
with CaptureQueriesContext(connection) as queries:
    unroutable_keys("default").add(counts)
UnroutableKey.objects.update(last_at=now() - timedelta(days=1))
unroutable_keys("default").add({**counts, "Key.0": 5, "other": 1})
rows = UnroutableKey.objects.all()
print(len(queries) < 5, {row.routing_key: row.count for row in rows} == {
    **{key: 2 * count for key, count in counts.items()}, "Key.0": 5, "other": 1,
}, all(row.last_at > now() - timedelta(minutes=1) for row in rows))
"""


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])
def test_dropped_events_of_many_keys_are_added_to_their_counts_in_few_queries(stage):
    assert stage.python(COUNTS).strip() == "True True True"


@pytest.mark.django_db
def test_dropped_events_are_counted_together_when_there_are_too_many_keys(monkeypatch):
    monkeypatch.setattr(counters, "MOST", 2)
    for counts in ({"a": 1}, {"b": 1, "c": 2}, {"d": 3, "a": 1, "e": 1}, {"f": 1}):
        unroutable_keys("default").add(counts)
    rows = UnroutableKey.objects.values_list("routing_key", "count")
    assert dict(rows) == {"a": 2, "b": 1, counters.OTHERS: 7}


# A writer's row is not committed yet. Whoever would wait for it fails at once.
BESIDE_A_WRITER = """
from django.db import connection, connections, transaction
from publisher.models import OutboxEvent, ParkedEvent
from publisher.outbox.querysets import outbox, parked

def insert(*ids, using="default"):
    OutboxEvent.objects.using(using).bulk_create(
        OutboxEvent(
            id=id, message_id="m", type="t", routing_key="k", partitionkey="p", slot=0, keep_unroutable=True, body=b""
        )
        for id in ids
    )

connections.settings["default"]["OPTIONS"]["isolation_level"] = "{isolation}"
connections.settings["writer"] = dict(connections.settings["default"])
with connection.cursor() as cursor:
    cursor.execute("SET innodb_lock_wait_timeout = 0")
insert(*{ids})
with transaction.atomic("writer"):
    insert({writer}, using="writer")
    outbox("default").park(parked("default"), {ids}, "unroutable", "")
    parked("default").kept().put_back(outbox("default"))
    outbox("default").delete_by_id({ids})
print([*OutboxEvent.objects.values_list("id", flat=True)], ParkedEvent.objects.count())
"""
# Consecutive ids, few runs of them, and more than are told as runs.
RUN, RUNS, MANY = list(range(10, 70)), [*range(10, 40), *range(41, 70)], list(range(10, 90, 2))


@pytest.mark.parametrize("engine", ["mariadb"])
@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
@pytest.mark.parametrize(
    ("ids", "writer"),
    [(RUN, 9), (RUN, 70), (RUNS, 40), (RUNS, 70), (MANY, 9), (MANY, 41), (MANY, 89)],
    ids=["run, before", "run, after", "runs, between", "runs, after", "many, before", "many, between", "many, after"],
)
def test_nothing_waits_for_a_writer_whose_row_is_beside_those_that_are_deleted(stage, ids, writer, isolation):
    code = BESIDE_A_WRITER.format(ids=ids, writer=writer, isolation=isolation)
    assert stage.python(code).strip() == f"[{writer}] 0"


@pytest.mark.django_db
def test_rows_that_are_deleted_need_be_neither_together_nor_there_still():
    ids = sown(*[10] * 8)
    outbox("default").delete_by_id([ids[0], ids[1], ids[1], ids[4], ids[6]])
    outbox("default").delete_by_id([ids[1], ids[2]])
    assert [row.id for row in outbox("default").waiting([], 10).rows] == [ids[3], ids[5], ids[7]]


# As after TRUNCATE ... RESTART IDENTITY, twice.
IDS_AGAIN = """
from publisher.models import OutboxEvent, ParkedEvent
from publisher.outbox.querysets import outbox, parked

def insert(since, *ids):
    OutboxEvent.objects.bulk_create(
        OutboxEvent(id=id, message_id=f"{since}{id}", type="t", routing_key="k", partitionkey="p", slot=0, body=b"")
        for id in ids
    )

def show(model):
    print(*model.objects.order_by("id").values_list("message_id", flat=True))

for since in "ab":
    insert(since, 1, 2, 3)
    outbox("default").park(parked("default"), [3, 1], "unroutable", "")
    outbox("default").park(parked("default"), [2], "unroutable", "")
show(ParkedEvent)
insert("c", 2, 4)
parked("default").filter(message_id="b2").put_back(outbox("default"))
show(OutboxEvent)
parked("default").put_back(outbox("default"))
show(OutboxEvent)
"""


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])
def test_parked_events_go_before_the_line_when_its_ids_begin_anew(stage):
    assert stage.python(IDS_AGAIN).splitlines() == ["a1 a2 a3 b1 b2 b3", "b2 c2 c4", "a1 a2 a3 b1 b2 b3 c2 c4"]


ELSEWHERE = """
from datetime import timedelta
from django.db import connection
from django.utils.timezone import now
from consumers.models import Attempt, InboxEvent
from consumers.querysets import attempts, inbox
from publisher.relay.leases import Leases
from publisher.models import ParkedEvent, RelayLease, UnroutableKey
from publisher.outbox.querysets import unroutable_keys
from publisher.wire.event import Event

with connection.cursor() as cursor:
    if connection.vendor == "mysql":
        cursor.execute("SET time_zone = '+05:00'")
    Leases("default", 1).renew()
    event = Event(specversion="1.0", id="1", source="/blog", type="t")
    inbox("default").admit("shop.handler", event)
    for _ in range(2):
        attempts("default").begin("shop.handler", event)
        unroutable_keys("default").add({"a.key": 1})
    ParkedEvent.objects.create(id=1, slot=1, keep_unroutable=False, body=b"{}")
moments = {
    "lease": RelayLease.objects.get().expires_at, "parked": ParkedEvent.objects.get().parked_at,
    "unroutable": UnroutableKey.objects.get().last_at, "inbox": InboxEvent.objects.get().handled_at,
    "attempt": Attempt.objects.get().last_at,
}
print([name for name, moment in moments.items() if abs(moment - now()) > timedelta(minutes=1)])
"""


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])
def test_moments_are_in_utc_whatever_zone_the_databases_session_has(stage):
    assert stage.python(ELSEWHERE).strip() == "[]"
