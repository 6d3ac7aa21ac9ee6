"""When a nacked row is sent again, and what waits behind it."""

import time
from collections import deque
from types import SimpleNamespace

import pytest

from publisher.models import OutboxEvent, ParkedEvent, RelayLease
from publisher.outbox.digests import digest_of
from publisher.outbox.waiting import OutboxQuerySet
from publisher.relay.care import Care
from publisher.relay.leases import LEASE_SECONDS
from publisher.relay.nacked import CAREFUL_SECONDS, LONGEST_SECONDS, MOST_WAITING, Nacked
from publisher.relay.session import Session
from publisher.wire.connection import Connection
from publisher.wire.sender import Outcome, Sender
from tests.leasing import held
from tests.stage import eventually

SAVE = "from tests.foo.models import Article\nfor title in {titles!r}: Article.objects.create(title=title)"


def test_nacked_row_waits_twice_as_long_each_time_and_no_longer_than_thirty_seconds():
    nacked, now, pauses = Nacked(), 0.0, []
    for _ in range(11):
        nacked.add(1, "k", "r", now)
        began = now
        while nacked.keys(now):
            now += 0.05
        pauses.append(now - began)
    assert pauses[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8], abs=0.06)
    assert pauses[-1] == pytest.approx(LONGEST_SECONDS, abs=0.06)


def test_pause_is_short_again_when_the_row_was_settled_meanwhile():
    nacked = Nacked()
    nacked.add(1, "k", "r", 0.0)
    nacked.add(1, "k", "r", 1.0)
    nacked.forget(1)
    assert (nacked.keys(1.0), nacked.unread(1.0, ())) == (set(), [])
    nacked.add(1, "k", "r", 2.0)
    assert (nacked.keys(2.09), nacked.keys(2.11)) == ({"k"}, set())


def test_rows_behind_a_nacked_one_are_in_line_again_when_it_is_due():
    nacked = Nacked()
    nacked.add(1, "k", "r", 0.0)
    nacked.add(2, "other", "r", 0.05)
    assert nacked.set_aside(3, "k")
    assert nacked.set_aside(4, "other")
    assert sorted(nacked.unread(0.06, ())) == [1, 2, 3, 4]
    assert sorted(nacked.unread(0.12, ())) == [2, 4]
    assert nacked.unread(0.2, ()) == []


def test_one_row_of_a_key_goes_at_a_time_until_well_after_the_longest_pause():
    nacked = Nacked()
    for _ in range(11):
        nacked.add(1, "k", "full", 100.0)
    nacked.add(2, "k", "full", 100.0)
    assert "full" in nacked.careful(100.0 + LONGEST_SECONDS + 29)
    assert not nacked.careful(100.0 + LONGEST_SECONDS + 31)


def test_rows_set_aside_are_in_line_again_a_few_at_a_time_when_nothing_of_their_key_is_on_its_way(monkeypatch):
    monkeypatch.setattr("publisher.relay.nacked.RELEASED_ROWS", 2)
    nacked = Nacked()
    for number in (5, 4, 3, 2):
        assert nacked.set_aside(number, "k")
    assert [nacked.is_behind(number, "k") for number in (1, 2, 3)] == [False, False, True]
    assert sorted(nacked.unread(0.0, {"k"})) == [2, 3, 4, 5]
    assert sorted(nacked.unread(0.0, ())) == [4, 5]
    assert [nacked.is_behind(number, "k") for number in (3, 4, 5, 6)] == [False, False, True, True]
    assert nacked.unread(0.0, ()) == []
    assert not nacked.is_behind(6, "k")


def test_nothing_more_is_sent_nor_set_aside_when_too_many_wait():
    nacked = Nacked()
    for number in range(MOST_WAITING):
        assert nacked.has_room(0.0)
        nacked.add(number, str(number), "r", 0.0)
        assert nacked.set_aside(MOST_WAITING + number, str(number))
    assert not nacked.has_room(0.0)
    assert not nacked.set_aside(-1, "0")
    assert nacked.has_room(0.2)


def test_other_queues_get_few_copies_when_one_is_full(stage, queues):
    queues.bind_full("full", "#")
    queues.bind("other", "#")
    relay = stage.start("relay")
    eventually(lambda: "connected" in relay.log.read_text())
    stage.python(SAVE.format(titles=["last"]))
    eventually(lambda: queues.count("other"))
    time.sleep(8)
    assert 3 <= queues.count("other") < 15
    assert stage.outbox() == 1
    queues.channel.queue_purge(queues.name("full"))
    eventually(lambda: stage.outbox() == 0)
    assert queues.count("full") == 1
    queues.delete("full")
    queues.delete("other")


@pytest.mark.django_db(transaction=True)
def test_other_keys_go_on_when_many_rows_are_behind_a_nacked_one(bridge, queues, monkeypatch):
    monkeypatch.setattr("publisher.relay.nacked.FIRST_SECONDS", 30.0)
    queues.bind_full("full", "stuck")
    queues.bind("other", "fine")
    rows = [("stuck", "k")] * 1200 + [("fine", str(number)) for number in range(5)]
    OutboxEvent.objects.bulk_create(
        OutboxEvent(
            message_id=str(number),
            type="t",
            routing_key=key,
            partitionkey=part,
            slot=0,
            keep_unroutable=False,
            body=b"{}",
        )
        for number, (key, part) in enumerate(rows)
    )
    with Connection(bridge["BROKER_URL"], "test") as connection:
        session = Session("default", held(), Sender(connection, queues.exchange), Care(most=1, window=1))
        while not session.sender.settled:
            session.send_waiting()
            session.sender.poll(0.1)
        session.settle()
        session.care = Care(most=2000, window=2000)
        while session.send_waiting():
            session.settle()
        session.sender.flush()
        session.settle()
        assert queues.count("other") == 5
        assert not session.send_waiting(), "nothing is to be done until the pause is over"
        session.delete()
    assert OutboxEvent.objects.count() == 1200
    queues.delete("full")
    queues.delete("other")


class Silent:
    """A broker's end that takes everything and says nothing."""

    exchange, window, has_room = "x", 2000, True

    def __init__(self):
        self.in_flight, self.settled, self.sent = {}, deque(), []

    def send_all(self, messages):
        for row, message in messages:
            self.in_flight[len(self.sent)] = (row, message.message_id)
            self.sent.append(row.message_id)

    def say(self, outcome):
        self.settled.extend((row, outcome) for row, _ in self.in_flight.values())
        self.in_flight.clear()


def put(*rows):
    """Into the outbox: routing key and partition key of each. They are numbered from 1."""
    OutboxEvent.objects.bulk_create(
        OutboxEvent(
            message_id=number, type="t", routing_key=key, partitionkey=part, slot=1, keep_unroutable=False, body=b"{}"
        )
        for number, (key, part) in enumerate(rows, start=1)
    )


class Nacking:
    """A session whose first row was nacked, at the time 0 of a clock that stands still."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        for module in ("session", "astray"):
            monkeypatch.setattr(f"publisher.relay.{module}.time", SimpleNamespace(monotonic=lambda: self.now))
        self.sender = Silent()
        self.session = Session("default", held(), self.sender, Care(most=1, window=1))
        self.session.send_waiting()
        self.say(Outcome.NACKED)
        self.session.care = Care(most=2000, window=2000)

    def say(self, outcome):
        self.sender.say(outcome)
        self.session.settle()

    def send(self):
        """What is sent before the broker says anything."""
        before = len(self.sender.sent)
        while self.session.send_waiting():
            pass
        return self.sender.sent[before:]


@pytest.mark.django_db
def test_rows_are_pipelined_while_no_row_of_their_key_is_nacked_or_goes_where_one_was(monkeypatch):
    put(("full", "stuck"), ("fine", "k"), ("fine", "k"), ("full", "k"), ("fine", "k"))
    nacking = Nacking(monkeypatch)
    sent = []
    for _ in range(3):
        sent.append(nacking.send())
        nacking.say(Outcome.CONFIRMED)
    assert sent == [["2", "3"], ["4"], ["5"]]


@pytest.mark.django_db
def test_other_keys_go_on_when_the_backlog_of_one_goes_row_by_row(monkeypatch):
    monkeypatch.setattr("publisher.relay.session.READ_ROWS", 16)
    monkeypatch.setattr("publisher.relay.nacked.RELEASED_ROWS", 5)
    put(("full", "stuck"), *[("full", "k")] * 100, ("fine", "other"))
    nacking = Nacking(monkeypatch)
    assert nacking.send() == ["2", "102"]
    for number in range(3, 50):
        nacking.say(Outcome.CONFIRMED)
        assert nacking.send() == [str(number)]
    nacking.now = LONGEST_SECONDS + CAREFUL_SECONDS + 1
    sent = []
    while len(sent) < 52:
        nacking.say(Outcome.CONFIRMED)
        more = nacking.send()
        assert len(more) > 1, "the queue has had room for long"
        sent += more
    assert sorted(sent, key=int) == ["1", *map(str, range(50, 102))]
    assert [number for number in sent if number != "1"] == sorted(sent, key=int)[1:]


@pytest.mark.django_db
def test_nothing_overtakes_a_nacked_row_whose_pause_ends_while_the_outbox_is_read(monkeypatch):
    def row(number):
        OutboxEvent.objects.create(
            message_id=number, type="t", routing_key="r", partitionkey="k", slot=1, keep_unroutable=False, body=b"{}"
        )

    def slow(self, *args):
        batch = waiting(self, *args)
        time.sleep(0.05)
        return batch

    sender = Silent()
    session = Session("default", held(), sender, Care(most=2000, window=2000))
    row("1")
    session.send_waiting()
    sender.say(Outcome.NACKED)
    session.settle()
    nacked_at = time.monotonic()
    row("2")
    session.send_waiting()
    row("3")
    waiting = OutboxQuerySet.waiting
    monkeypatch.setattr(OutboxQuerySet, "waiting", slow)
    time.sleep(max(0.0, nacked_at + 0.08 - time.monotonic()))
    for _ in range(5):
        session.send_waiting()
        sender.say(Outcome.CONFIRMED)
        session.settle()
    assert sender.sent == ["1", "1", "2", "3"]


@pytest.mark.django_db
@pytest.mark.parametrize("is_another", [True, False])
def test_what_was_read_is_sent_when_nobody_has_taken_the_lease_of_a_relay_that_was_frozen_meanwhile(
    is_another, monkeypatch
):
    def frozen(self, *args):
        batch = waiting(self, *args)
        leases.renewed_at -= LEASE_SECONDS
        if is_another:
            RelayLease.objects.update(holder="another")
        return batch

    waiting = OutboxQuerySet.waiting
    monkeypatch.setattr(OutboxQuerySet, "waiting", frozen)
    OutboxEvent.objects.create(
        message_id="1", type="t", routing_key="r", partitionkey="k", slot=1, keep_unroutable=False, body=b"{}"
    )
    leases, sender = held(), Silent()
    Session("default", leases, sender, Care(most=2000, window=2000)).send_waiting()
    assert sender.sent == ([] if is_another else ["1"])
    assert bool(leases.held) is not is_another


@pytest.mark.django_db
def test_keys_that_led_nowhere_are_tried_in_turns_when_they_are_many(monkeypatch):
    monkeypatch.setattr("publisher.relay.astray.PROBE_SECONDS", 0)
    monkeypatch.setattr("publisher.relay.astray.PROBE_SHARE", 0)
    monkeypatch.setattr("publisher.relay.astray.MOST_PROBES", 2)
    for number in range(1, 11):
        ParkedEvent.objects.create(
            id=number, message_id=number, type="t", routing_key=number % 5, partitionkey=number, slot=1,
            keep_unroutable=True, kind="unroutable", body=b"{}", digest=digest_of(str(number % 5)),
        )  # fmt: skip
    sender = Silent()
    session = Session("default", held(), sender, Care(most=2000, window=2000))
    for _ in range(4):
        session.send_waiting()
        sender.say(Outcome.UNROUTABLE)
        session.settle()
    assert sender.sent == list("1234512")
    assert ParkedEvent.objects.count() == 10
