"""What the relay reads of the outbox: whole rows in order, bounded in bytes, and not in rows alone."""

import json
import re
from pathlib import Path

import pytest
from django.db import connection

from publisher.models import OutboxEvent
from publisher.outbox.waiting import FETCHED_BYTES, SMALL_BYTES, WaitingRow, outbox
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


@pytest.mark.django_db
def test_rows_that_are_deleted_need_be_neither_together_nor_there_still():
    ids = sown(*[10] * 8)
    outbox("default").delete_by_id([ids[0], ids[1], ids[1], ids[4], ids[6]])
    outbox("default").delete_by_id([ids[1], ids[2]])
    assert [row.id for row in outbox("default").waiting([], 10).rows] == [ids[3], ids[5], ids[7]]
