"""A temporary queue that takes nothing from anybody, and is gone with its connection."""

import struct

import pytest

from publisher.wire.connection import Connection
from publisher.wire.errors import BrokerRefused
from publisher.wire.tap import Tap
from publisher.wire.topology import events_exchange
from tests.queues import Raw, table


def test_tap_sees_what_its_patterns_take_and_is_gone_with_its_connection(bridge, queues):
    name, seen = queues.name("tail.x"), []
    with Connection(bridge["BROKER_URL"], "test") as connection:
        connection.declare(events_exchange(queues.exchange))
        Tap(
            connection,
            queues.exchange,
            ["a.*", "b.#"],
            queue=name,
            on_message=lambda key, body: seen.append((key, body)),
        )
        queues.bind("other", "#")
        # pika loses the connection over a header that it cannot read.
        queues.channel.basic_publish(
            queues.exchange, "b", b"hostile", Raw(table(struct.pack(">3sQ", b"\x01aT", 2**62)))
        )
        for key in ("a.1", "a.1.2", "b", "c"):
            queues.publish(key, key.encode())
        connection.wait_for(lambda: len(seen) == 3)
        assert seen == [("b", b"hostile"), ("a.1", b"a.1"), ("b", b"b")]
        assert queues.count("other") == 5
        with Connection(bridge["BROKER_URL"], "stranger") as stranger, pytest.raises(BrokerRefused, match="405"):
            Tap(stranger, queues.exchange, ["#"], queue=name, on_message=print)
    with Connection(bridge["BROKER_URL"], "test") as connection:
        assert connection.count_messages(name) is None
    queues.delete("other")
