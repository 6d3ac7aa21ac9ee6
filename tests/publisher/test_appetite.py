"""The relay's memory: what it reads and has on its way is bounded in bytes, not in rows alone."""

import re
from pathlib import Path

import pytest

from publisher.appetite import FIRST_ROWS, IN_FLIGHT_BYTES, MOST_ROWS, READ_BYTES, Appetite
from publisher.care import Care
from publisher.models import OutboxEvent
from publisher.querysets import ALL, WaitingRow
from publisher.session import Session
from publisher.wire.connection import Connection
from publisher.wire.sender import Sender
from tests.stage import eventually

MIB = 1024
LARGE = """
from django.db import transaction
from tests.foo.models import Article
with transaction.atomic():
    for n in range(200):
        Article.objects.create(title=str(n))
"""


def test_more_is_read_as_long_as_all_that_was_asked_for_is_there_and_small():
    appetite, rows = Appetite(), []
    while appetite.rows < MOST_ROWS:
        rows.append(appetite.rows)
        appetite.had(appetite.rows, appetite.rows * 500)
    assert rows == [16, 32, 64, 128, 256]


def test_little_is_read_again_when_little_was_there():
    appetite = Appetite()
    appetite.had(MOST_ROWS, 1000)
    appetite.had(3, 1500)
    assert appetite.rows == FIRST_ROWS


@pytest.mark.parametrize(("size", "rows"), [(READ_BYTES // 10, 10), (READ_BYTES, 1), (16 * READ_BYTES, 1)])
def test_no_more_is_read_than_would_have_fitted(size, rows):
    appetite = Appetite()
    appetite.had(MOST_ROWS, MOST_ROWS * size)
    assert appetite.rows == rows


def test_as_many_are_asked_for_as_at_first_when_nothing_was_there():
    appetite = Appetite()
    appetite.had(1, 16 * READ_BYTES)
    appetite.had(0, 0)
    assert appetite.rows == FIRST_ROWS


def test_memory_stays_flat_when_large_events_wait(stage, queues):
    queues.bind("q", "db.#")
    stage.python(LARGE)
    stage.database.rows("UPDATE publisher_outboxevent SET body = CAST(body || zeroblob(1000000) AS BLOB)")
    relay = stage.start("relay")
    eventually(lambda: stage.outbox() == 0, 60)
    assert most_mib(relay.pid) < 180
    assert queues.count("q") == 200
    queues.delete("q")


@pytest.mark.django_db(transaction=True)
def test_no_more_is_sent_while_the_broker_has_said_nothing_of_much(bridge, queues):
    queues.bind("q", "#")
    for number in range(4):
        OutboxEvent.objects.create(
            message_id=str(number), type="t", routing_key="k", partitionkey=str(number), slot=0, keep_unroutable=False,
            body=b"x" * (IN_FLIGHT_BYTES // 2),
        )  # fmt: skip
    with Connection(bridge["BROKER_URL"], "test") as connection:
        session = Session("default", ALL, Sender(connection, queues.exchange), Care(most=1, window=1))
        session.send_waiting()
        session.sender.flush()
        session.settle()
        session.care = Care(most=2000, window=2000)
        # As if it had said nothing yet.
        row = WaitingRow(9, "9", "t", "k", "9", 0, False, b"x" * IN_FLIGHT_BYTES)
        session.sender.in_flight[9] = (row, "9")
        session.send_waiting()
        assert list(session.sender.in_flight) == [9]
        del session.sender.in_flight[9]
        session.send_waiting()
        assert session.sender.in_flight
        session.sender.flush()
    queues.delete("q")


def most_mib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / MIB
