"""How narrow the relay gets after a refused message, and that it gets wide again."""

import pytest

from publisher.care import Care
from publisher.models import OutboxEvent
from publisher.session import Session
from publisher.wire.connection import Connection
from publisher.wire.sender import Sender
from tests.leasing import held

WIDE = Care(most=2000, window=2000)


def put(number, key, *, keep):
    OutboxEvent.objects.create(
        message_id=str(number), type="t", routing_key=key, partitionkey=str(number), slot=0, keep_unroutable=keep,
        body=b'{"data":{}}',
    )  # fmt: skip


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
        session.send_waiting()
        session.sender.flush()
        session.settle()
        session.delete()
    assert session.care == WIDE


def test_care_narrows_to_one_and_is_wide_once_no_suspect_is_left():
    narrow = WIDE.refused(range(2000))
    assert narrow.window == 62
    alone = narrow.refused([7, 8]).refused([7, 8])
    assert (alone.window, alone.settled([7]).window, alone.settled([7, 8])) == (1, 1, WIDE)


def test_care_is_wide_again_when_other_shards_are_held():
    narrow = WIDE.holding(frozenset((0, 1))).refused([7])
    assert narrow.holding(frozenset((0, 1))) == narrow
    assert narrow.holding(frozenset((0,))).window == 2000
