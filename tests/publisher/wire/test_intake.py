"""Taking from a real queue: acknowledgements in any order, coalesced, and never wrong."""

import random
import time
from contextlib import suppress
from types import SimpleNamespace

import pika
import pytest

from publisher.wire.connection import Connection
from publisher.wire.errors import BrokerUnavailable
from publisher.wire.frames import Message
from publisher.wire.intake import UNREADABLE, Delivery, Intake, republished
from publisher.wire.properties import read
from publisher.wire.reading import RoutingKey
from publisher.wire.sender import Outcome, Sender


@pytest.fixture
def line(queues, bridge):
    """A queue with a way to fill it."""
    queues.url = bridge["BROKER_URL"]
    queues.bind("line", "#")
    yield queues
    queues.delete("line")
    queues.channel.exchange_delete(queues.exchange)


@pytest.fixture
def connection(bridge):
    with Connection(bridge["BROKER_URL"], "test") as connection:
        yield connection


def fill(line, count):
    with Connection(line.url, "fill") as filling:
        sender = Sender(filling, line.exchange)
        sender.send_all((number, Message(routing_key="a", body=str(number).encode())) for number in range(count))
        sender.flush()


def taking(connection, line, prefetch, count):
    """An intake that has taken `count` messages."""
    taken: list[Delivery] = []
    intake = Intake(connection, taken.append)
    intake.consume(line.name("line"), prefetch)
    connection.wait_for(lambda: len(taken) >= count, 10)
    return intake, taken


def wait_until_ready(line, count):
    deadline = time.monotonic() + 10
    while (found := line.count("line")) != count and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found == count


def test_delivery_tells_what_the_queue_handed_over(connection, line):
    line.publish("db.post_save.x", b"body", message_id="1", headers={"a": "b"})
    intake, (delivery,) = taking(connection, line, 10, 1)
    assert (delivery.queue, delivery.routing_key) == (line.name("line"), "db.post_save.x")
    assert (delivery.body, delivery.redelivered) == (b"body", False)
    assert delivery.properties.message_id == "1"
    assert delivery.intake is intake


@pytest.mark.parametrize("seed", range(3))
def test_channel_stays_open_and_nothing_is_left_when_acks_come_in_any_order(connection, line, seed):
    count, prefetch, rng = 400, 60, random.Random(seed)
    fill(line, count)
    intake, taken = taking(connection, line, prefetch, prefetch)
    open_tags: list[int] = []
    seen, acked = 0, 0
    deadline = time.monotonic() + 20
    while acked < count and time.monotonic() < deadline:
        open_tags += [delivery.tag for delivery in taken[seen:]]
        seen = len(taken)
        rng.shuffle(open_tags)
        batch = open_tags[: rng.randint(1, 25)]
        del open_tags[: len(batch)]
        # Twice, or unknown, must do no harm.
        intake.ack([*batch, *batch[:1], 10**9])
        acked += len(batch)
        connection.poll(0.005)
    assert acked == count
    assert not intake.unacked
    assert [int(delivery.body) for delivery in taken] == list(range(count))
    intake.cancel([line.name("line")])
    connection.poll(0.2)
    connection.close()
    wait_until_ready(line, 0)


def test_acks_are_one_frame_when_they_are_in_order(connection, line):
    fill(line, 50)
    intake, taken = taking(connection, line, 50, 50)
    before = connection._amqp.frames_sent
    intake.ack(delivery.tag for delivery in reversed(taken))
    assert connection._amqp.frames_sent - before == 1


def test_what_was_not_acknowledged_comes_again_when_the_connection_ends(connection, line):
    fill(line, 10)
    intake, taken = taking(connection, line, 10, 10)
    kept = taken[4].tag
    intake.ack(delivery.tag for delivery in taken if delivery.tag != kept)
    connection.poll(0.1)
    connection.close()
    wait_until_ready(line, 1)
    assert [letter.body for letter in line.take("line")] == [b"4"]


@pytest.mark.parametrize("seed", range(3))
def test_channel_stays_open_when_some_are_given_back_and_others_acknowledged(connection, line, seed):
    count, rng = 100, random.Random(seed)
    fill(line, count)
    intake, taken = taking(connection, line, count, count)
    intake.cancel([line.name("line")])
    tags = [delivery.tag for delivery in taken]
    rng.shuffle(tags)
    back, done = tags[:40], tags[40:]
    expected = {delivery.body for delivery in taken if delivery.tag in back}
    while back or done:
        size = rng.randint(1, 9)
        intake.ack(done[:size])
        intake.give_back(back[:size])
        del done[:size], back[:size]
        connection.poll(0.005)
    assert not intake.unacked
    # A quorum queue keeps acknowledgements back while it is busy, and forgets those when the channel closes at once.
    wait_until_ready(line, 40)
    connection.poll(0.2)
    connection.close()
    wait_until_ready(line, 40)
    assert {letter.body for letter in line.take("line")} == expected


def test_prefetch_is_the_most_that_is_taken(connection, line):
    fill(line, 20)
    intake, taken = taking(connection, line, 5, 5)
    connection.poll(0.3)
    assert len(taken) == 5
    intake.ack([taken[0].tag])
    connection.wait_for(lambda: len(taken) == 6, 5)


def test_several_queues_share_the_channel(connection, line):
    line.bind("other", "only.other")
    line.publish("only.other", b"x")
    taken: list[Delivery] = []
    intake = Intake(connection, taken.append)
    for name in ("line", "other"):
        intake.consume(line.name(name), 10)
    connection.wait_for(lambda: len(taken) == 2, 5)
    assert {delivery.queue for delivery in taken} == {line.name("line"), line.name("other")}
    line.delete("other")


def test_check_raises_when_the_queue_was_deleted(connection, line):
    intake, _ = taking(connection, line, 5, 0)
    intake.check()
    line.delete("line")
    deadline = time.monotonic() + 5
    with suppress(BrokerUnavailable):
        while time.monotonic() < deadline:
            connection.poll(0.05)
            intake.check()
    with pytest.raises(BrokerUnavailable, match="was its queue deleted"):
        intake.check()


def test_resume_may_be_tried_again_on_another_connection_when_the_queue_was_deleted(connection, line):
    intake, _ = taking(connection, line, 5, 0)
    intake.pause(line.name("line"))
    line.delete("line")
    with pytest.raises(BrokerUnavailable, match="is gone: NOT_FOUND"):
        intake.resume(line.name("line"), 5)


def test_nothing_more_comes_until_resumed_when_paused(connection, line):
    intake, taken = taking(connection, line, 5, 0)
    intake.pause(line.name("line"))
    connection.poll(0.1)
    fill(line, 3)
    connection.poll(0.3)
    assert taken == []
    intake.resume(line.name("line"), 5)
    connection.wait_for(lambda: len(taken) == 3, 5)


def test_nothing_more_comes_when_cancelled(connection, line):
    intake, taken = taking(connection, line, 5, 0)
    intake.cancel([line.name("line")])
    fill(line, 3)
    connection.poll(0.3)
    assert taken == []


def delivery_of(raw, connection=None, body=b"\xffbody"):
    intake = SimpleNamespace(connection=connection or SimpleNamespace(properties_max=100_000))
    return Delivery(intake, 1, "q", RoutingKey("old.key", ""), False, raw, body)


def encoded(**properties):
    return b"".join(pika.BasicProperties(**properties).encode())


def test_republished_keeps_body_and_properties_but_not_the_brokers_headers():
    properties = encoded(
        content_type="text/x", content_encoding="gzip", correlation_id="c", message_id="1", type="t", app_id="a",
        timestamp=5, priority=9, expiration="1000", delivery_mode=1, user_id="guest",
        headers={"mine": 1, "x-death": [{}], "x-first-death-queue": "q", "x-delivery-count": 3, "x-reason": "old"},
    )  # fmt: skip
    message = republished(delivery_of(properties), "graves", "new.key", {"x-reason": "new", "mine": None})
    assert (message.exchange, message.routing_key, message.body) == ("graves", "new.key", b"\xffbody")
    assert message.message_id == "1"
    sent = read(message.properties)
    assert sent.headers == {"x-reason": "new"}
    assert (sent.content_type, sent.content_encoding, sent.correlation_id) == ("text/x", "gzip", "c")
    assert (sent.message_id, sent.type, sent.app_id, sent.timestamp) == ("1", "t", "a", 5)
    assert (sent.delivery_mode, sent.priority, sent.expiration, sent.user_id) == (2, None, None, None)


def test_republished_goes_to_no_other_queues():
    """Each attempt would put one more copy there. https://www.rabbitmq.com/docs/sender-selected"""
    properties = encoded(headers={"CC": ["other"], "BCC": ["another"], "CCs": "kept"})
    message = republished(delivery_of(properties), "graves", "new.key", {"x-reason": "new"})
    assert read(message.properties).headers == {"CCs": "kept", "x-reason": "new"}


def test_republished_goes_without_properties_that_cannot_be_read():
    unknown = encoded(message_id="1", headers={"a": None}).replace(b"\x01aV", b"\x01a?")
    message = republished(delivery_of(unknown), "graves", "new.key", {"x-reason": "new"})
    sent = read(message.properties)
    assert (message.message_id, sent.message_id, sent.headers["x-reason"]) == (None, None, "new")
    assert "InvalidFieldType" in sent.headers[UNREADABLE]


def test_republished_goes_without_properties_that_leave_no_room_for_the_new_headers():
    delivery = delivery_of(encoded(headers={"large": "y" * 900}), SimpleNamespace(properties_max=1000))
    message = republished(delivery, "graves", "new.key", {"x-text": "z" * 100})
    assert read(message.properties).headers == {"x-text": "z" * 100, UNREADABLE: "the properties are too large"}


def test_messages_that_come_back_are_told_apart_from_those_delivered_on_the_connection(connection, line):
    """A delivery that is read here, and frames that go pika's way, on one connection and in one turn."""
    fill(line, 30)
    sender = Sender(connection, line.exchange)
    _, taken = taking(connection, line, 30, 0)
    line.channel.exchange_declare("nowhere", "topic")
    sender.send_all((n, Message(exchange="nowhere", routing_key="x", body=b"x" * n)) for n in range(30))
    sender.flush()
    connection.wait_for(lambda: len(taken) == 30, 5)
    assert {outcome for _, outcome in sender.settled} == {Outcome.UNROUTABLE}
    assert [int(delivery.body) for delivery in taken] == list(range(30))
    line.channel.exchange_delete("nowhere")


@pytest.mark.parametrize("size", [0, 1, 131_064, 131_065, 1_000_000])
def test_body_is_whole_when_it_came_in_any_number_of_frames(connection, line, size):
    body = random.Random(size).randbytes(size)
    for each in (body, b"after"):
        line.publish("a", each)
    _, taken = taking(connection, line, 10, 2)
    assert [delivery.body for delivery in taken] == [body, b"after"]
