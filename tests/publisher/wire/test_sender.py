"""Publishing to a real broker: every message is settled by its own outcome."""

import socket

import pytest

from publisher.wire.connection import Connection
from publisher.wire.errors import BrokerUnavailable, MessageRefused
from publisher.wire.frames import Message
from publisher.wire.properties import made
from publisher.wire.sender import Outcome, Sender
from tests.proxy import Proxy


def message(number, key="a.b", **properties):
    return Message(routing_key=key, body=str(number).encode(), message_id=f"id-{number}", **properties)


@pytest.fixture
def line(queues):
    """A queue that takes `a.#` from the exchange of this test."""
    queues.bind("line", "a.#")
    yield queues
    queues.delete("line")
    queues.channel.exchange_delete(queues.exchange)


@pytest.fixture
def connection(bridge):
    with Connection(bridge["BROKER_URL"], "test") as connection:
        yield connection


@pytest.fixture
def sender(connection, line):
    return Sender(connection, line.exchange)


def outcomes(sender):
    return dict(sender.settled)


def test_message_is_confirmed_and_arrives_as_it_was_sent(sender, line):
    sender.send(
        "token",
        Message(
            routing_key="a.b", body=b"\x00body", content_type="text/x", message_id="1", type="t", app_id="app",
            timestamp=1_700_000_000,
        ),
    )  # fmt: skip
    assert sender.in_flight
    sender.flush()
    assert outcomes(sender) == {"token": Outcome.CONFIRMED}
    assert not sender.in_flight
    (letter,) = line.take("line")
    properties = letter.properties
    assert (letter.body, letter.routing_key) == (b"\x00body", "a.b")
    assert (properties.delivery_mode, properties.content_type, properties.message_id) == (2, "text/x", "1")
    assert (properties.type, properties.app_id, properties.timestamp) == ("t", "app", 1_700_000_000)


def test_properties_that_are_ready_made_arrive_as_they_are(sender, line):
    properties = made({"x": 1, "text": "ü"})
    sender.send("token", Message(routing_key="a.b", body=b"", type="ignored", properties=properties))
    sender.flush()
    (letter,) = line.take("line")
    assert (letter.body, letter.properties.delivery_mode, letter.properties.type) == (b"", 2, None)
    # A quorum queue adds the count of deliveries.
    assert {"x": 1, "text": "ü"}.items() <= letter.headers.items()


def test_message_is_unroutable_when_no_queue_is_bound(sender):
    sender.send("lost", message(1, "nowhere"))
    sender.send("found", message(2))
    sender.send("lost too", message(3, "nowhere.else"))
    sender.flush()
    assert outcomes(sender) == {
        "lost": Outcome.UNROUTABLE,
        "found": Outcome.CONFIRMED,
        "lost too": Outcome.UNROUTABLE,
    }


def test_message_is_routable_again_when_its_id_was_returned_before(sender, line):
    sender.send("first", message(1, "late.x"))
    sender.flush()
    line.channel.queue_bind(line.name("line"), line.exchange, "late.#")
    sender.send("second", message(1, "late.x"))
    sender.flush()
    assert outcomes(sender) == {"first": Outcome.UNROUTABLE, "second": Outcome.CONFIRMED}


def test_message_is_unroutable_when_it_has_no_id(sender):
    """As a dead letter of a foreign message may have none: taken for confirmed, it would be acknowledged and lost."""
    sender.send("lost", Message(routing_key="nowhere", body=b"x"))
    sender.flush()
    assert outcomes(sender) == {"lost": Outcome.UNROUTABLE}


def test_message_is_nacked_when_the_queue_is_full(connection, queues):
    channel = queues.channel
    channel.exchange_declare(queues.exchange, "topic", durable=True)
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    channel.queue_declare(queues.name("full"), durable=True, arguments=arguments)
    channel.queue_bind(queues.name("full"), queues.exchange, "#")
    sender = Sender(connection, queues.exchange)
    for number in range(10):
        sender.send(number, message(number))
        sender.flush()
    result = outcomes(sender)
    taken = [number for number in result if result[number] is Outcome.CONFIRMED]
    assert {result[number] for number in range(3, 10)} == {Outcome.NACKED}
    assert [int(letter.body) for letter in queues.take("full")] == taken
    queues.delete("full")
    channel.exchange_delete(queues.exchange)


def test_all_are_settled_once_and_in_order_when_many_are_in_flight(sender, line):
    count = 1500
    sender.send_all((number, message(number)) for number in range(count))
    assert len(sender.in_flight) == count
    sender.flush()
    assert [token for token, _ in sender.settled] == list(range(count))
    assert {outcome for _, outcome in sender.settled} == {Outcome.CONFIRMED}
    assert [int(letter.body) for letter in line.take("line")] == list(range(count))


def test_each_has_its_own_outcome_when_routable_and_unroutable_are_mixed(sender):
    keys = {number: "a.b" if number % 3 else "nowhere" for number in range(300)}
    sender.send_all((number, message(number, key)) for number, key in keys.items())
    sender.flush()
    assert outcomes(sender) == {
        number: Outcome.CONFIRMED if number % 3 else Outcome.UNROUTABLE for number in range(300)
    }


def test_there_is_no_room_when_the_window_is_full(connection, line):
    sender = Sender(connection, line.exchange, window=3)
    for number in range(3):
        assert sender.has_room
        sender.send(number, message(number))
    assert not sender.has_room
    sender.flush()
    assert sender.has_room


@pytest.mark.parametrize("size", [0, 1, 131_064, 131_065, 1_000_000])
def test_body_arrives_whole_when_it_is_cut_into_frames(sender, line, size):
    body = bytes(range(256)) * (size // 256 + 1)
    sender.send("t", Message(routing_key="a", body=body[:size], message_id="1"))
    sender.flush()
    assert outcomes(sender) == {"t": Outcome.CONFIRMED}
    assert line.take("line")[0].body == body[:size]


def test_the_one_is_refused_and_those_before_it_go_when_a_property_is_too_long(sender, line):
    with pytest.raises(MessageRefused, match="255 bytes") as caught:
        sender.send_all([("good", message(1)), ("bad", message(2, "a." + "x" * 300)), ("after", message(3))])
    assert caught.value.tokens == ["bad"]
    sender.flush()
    assert outcomes(sender) == {"good": Outcome.CONFIRMED}
    assert [letter.body for letter in line.take("line")] == [b"1"]


def test_exchange_that_is_gone_is_told_when_publishing(sender, line):
    line.channel.exchange_delete(line.exchange)
    sender.send("t", message(1))
    with pytest.raises(BrokerUnavailable, match=f"is gone: .*no exchange '{line.exchange}'"):
        sender.flush()
    assert [token for token, _ in sender.in_flight.values()] == ["t"]
    line.channel.exchange_declare(line.exchange, "topic", durable=True)


def test_exchange_is_named_as_the_broker_names_it_when_another_one_is_gone(sender, line):
    sender.send("t", message(1, exchange=f"{line.exchange}.other"))
    with pytest.raises(BrokerUnavailable, match=f"no exchange '{line.exchange}.other'") as caught:
        sender.flush()
    assert f"'{line.exchange}'" not in str(caught.value)


def test_what_was_in_flight_is_still_there_when_the_connection_is_lost(sender, connection):
    sender.send_all((number, message(number)) for number in range(10))
    raw = connection._amqp._transport._sock
    raw.shutdown(socket.SHUT_RDWR)
    with pytest.raises(BrokerUnavailable):
        sender.flush()
    assert len(sender.in_flight) + len(sender.settled) == 10
    with pytest.raises(BrokerUnavailable):
        sender.send("late", message(11))


def test_broker_that_says_nothing_of_a_message_is_left_and_its_alarm_is_waited_for(bridge, line, monkeypatch):
    monkeypatch.setattr("publisher.wire.sender.CONFIRM_SECONDS", 0.3)
    proxy = Proxy(bridge["BROKER_URL"])
    proxy.open()
    with Connection(proxy.url, "test") as connection:
        sender = Sender(connection, line.exchange)
        sender.send("good", message(1))
        sender.flush()
        for _ in range(8):
            sender.poll(0.1)
        proxy.is_deaf = connection.blocked = True
        sender.send("unknown", message(2))
        for _ in range(8):
            sender.poll(0.1)
        connection.blocked = False
        with pytest.raises(BrokerUnavailable, match=r"no confirm within 0\.3 seconds"):
            sender.flush(10)
        assert [token for token, _ in sender.in_flight.values()] == ["unknown"]
    proxy.close()
