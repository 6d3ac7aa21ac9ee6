"""How narrow the relay gets after a refused message, and that it gets wide again."""

import pytest

from publisher.models import OutboxEvent
from publisher.relay.care import Care
from publisher.relay.session import Session
from publisher.wire.connection import Connection
from publisher.wire.sender import Sender
from tests.leasing import held

WIDE = Care(most=2000, window=2000)


def put(number, key, *, keep=False, partitionkey=None):
    OutboxEvent.objects.create(
        message_id=str(number), type="t", routing_key=key, partitionkey=partitionkey or str(number), slot=0,
        keep_unroutable=keep, body=b'{"data":{}}',
    )  # fmt: skip


def go_on(session):
    """As a relay does."""
    session.send_waiting()
    session.sender.flush()
    session.settle()
    session.delete()


@pytest.fixture
def session(bridge, queues):
    queues.bind("all", "fine")
    with Connection(bridge["BROKER_URL"], "test") as connection:
        yield Session("default", held(), Sender(connection, queues.exchange), WIDE)
    queues.delete("all")


@pytest.mark.django_db(transaction=True)
def test_relay_is_wide_again_when_a_suspect_is_kept_as_unroutable(session):
    for number in range(3):
        put(number, "nobody.is.bound", keep=True)
        put(number + 3, "fine", keep=False)
    session.care = session.care.refused(list(OutboxEvent.objects.values_list("pk", flat=True)))
    while OutboxEvent.objects.exists():
        go_on(session)
    go_on(session)
    assert session.care == WIDE


@pytest.mark.django_db(transaction=True)
def test_relay_is_wide_again_when_suspects_are_nacked_or_wait_behind_one_or_were_deleted(session, queues, monkeypatch):
    monkeypatch.setattr("publisher.relay.nacked.FIRST_SECONDS", 30.0)
    queues.bind_full("full", "full")
    put(1, "full", partitionkey="k")
    put(2, "fine", partitionkey="k")
    for number in range(3, 6):
        put(number, "fine")
    suspects = list(OutboxEvent.objects.values_list("pk", flat=True))
    session.care = session.care.refused(suspects).refused(suspects)
    OutboxEvent.objects.filter(message_id="4").delete()
    for _ in range(5):
        go_on(session)
    assert list(OutboxEvent.objects.values_list("message_id", flat=True)) == ["1", "2"]
    assert session.care == WIDE
    queues.delete("full")


def test_care_narrows_to_one_and_is_wide_once_the_line_begins_after_the_suspects():
    narrow = WIDE.refused(range(2000))
    assert narrow.window == 62
    alone = narrow.refused([7, 8]).refused([8, 7])
    assert (alone.window, alone.reached(8).window, alone.reached(9)) == (1, 1, WIDE)


def test_care_is_wide_again_when_other_shards_are_held():
    narrow = WIDE.holding(frozenset((0, 1))).refused([7])
    assert narrow.holding(frozenset((0, 1))) == narrow
    assert narrow.holding(frozenset((0,))).window == 2000
