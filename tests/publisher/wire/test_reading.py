"""Deliveries are put together from frames, however the bytes come."""

from types import SimpleNamespace

import pytest
from pika import BasicProperties, frame
from pika.exceptions import InvalidFrameError
from pika.spec import Basic

from publisher.wire.reading import Contents, ReadingConnection, RoutingKey

# As long as it says, from its first part on, the third would end with the byte that ends a frame.
BODIES = (b"one", b"", b"in thr\xcee parts", b"four")


def delivery(tag, body, channel=1, parts=1):
    """As the broker sends it; pika makes the bytes."""
    properties = BasicProperties(message_id=f"id-{tag}", delivery_mode=2)
    method = Basic.Deliver(consumer_tag="c", delivery_tag=tag, redelivered=tag % 2 == 0, exchange="x", routing_key="k")
    size = -(-len(body) // parts) or 1
    cut = [frame.Body(channel, body[start : start + size]) for start in range(0, len(body), size)]
    frames = [frame.Method(channel, method), frame.Header(channel, len(body), properties), *cut]
    return [one.marshal() for one in frames]


def stream():
    """Two channels, in each other's way, and a heartbeat."""
    one, empty, parts, four = (
        delivery(tag, body, parts=3 if tag == 3 else 1) for tag, body in enumerate(BODIES, start=1)
    )
    stranger = delivery(9, b"one", channel=2)
    return b"".join(
        [stranger[0], one[0], *stranger[1:], *one[1:], frame.Heartbeat().marshal(), *empty, *parts, *stranger, *four]
    )


def read(pieces):
    """What was handed on of channel 1, and the kinds of frames that went pika's way."""
    seen, others = [], []
    contents = {1: Contents(lambda *content: seen.append(content))}
    connection, left = SimpleNamespace(contents=contents), b""
    for piece in pieces:
        data = left + piece
        left = data[ReadingConnection._read(connection, data, lambda one: others.append(type(one).__name__)) :]
    assert left == b""
    return seen, others


def test_deliveries_are_the_same_wherever_the_bytes_are_cut():
    data = stream()
    whole, others = read([data])
    assert [(tag, again, body) for _, tag, again, _, _, body in whole] == [
        (tag, tag % 2 == 0, body) for tag, body in enumerate(BODIES, start=1)
    ]
    assert all(consumer == b"c" and key == RoutingKey("k", "") for consumer, _, _, key, _, _ in whole)
    assert [f"id-{tag}".encode() in properties for _, tag, _, _, properties, _ in whole] == [True] * 4
    assert others == ["Method", "Header", "Body", "Heartbeat", "Method", "Header", "Body"]
    for at in range(1, len(data)):
        assert read([data[:at], data[at:]]) == (whole, others)
    assert read([data[at : at + 1] for at in range(len(data))]) == (whole, others)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_frame_that_does_not_end_as_frames_do_is_an_error(at):
    frames = delivery(1, b"one")
    frames[at] = frames[at][:-1] + b"\x00"
    with pytest.raises(InvalidFrameError):
        read([b"".join(frames)])
