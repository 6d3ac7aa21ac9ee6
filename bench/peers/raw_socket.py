"""The limit: frames made before the clock starts, written to the socket, and nothing done but counting the acks."""

import socket
import time
from collections.abc import Sequence
from struct import Struct
from typing import Any

import pika
from pika import frame
from pika.spec import Basic

from bench.events import events
from bench.peers.acks import Acks
from bench.peers.properties import properties
from publisher import conf
from publisher.events.body import Encoded

# As much as the broker may have unconfirmed; the fastest of those tried.
WINDOW = 2000
CHUNK = 100
FRAME, ACK = Struct(">BHL"), Struct(">HHQB")
METHOD_FRAME, END_BYTES = 1, 1


def publish(count: int, queue: str, window: int = WINDOW) -> float:
    parameters = pika.URLParameters(conf.broker_url())
    parameters.heartbeat = 0
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.confirm_delivery()
    chunks = prepared(list(events(count)), channel.channel_number)
    plain = _socket_of(connection)
    began = time.perf_counter()
    pump(plain, chunks, count, window)
    seconds = time.perf_counter() - began
    plain.close()
    return seconds


def prepared(messages: Sequence[Encoded], channel: int) -> list[bytes]:
    """The bytes of the messages, so many together."""
    frames = [_frames(message, channel) for message in messages]
    return [b"".join(frames[start : start + CHUNK]) for start in range(0, len(frames), CHUNK)]


def pump(plain: socket.socket, chunks: Sequence[bytes], count: int, window: int) -> None:
    """Send, as far as the window allows, and read acks until all are there."""
    acks, rest, sent = Acks(count), b"", 0
    for chunk in chunks:
        while sent - acks.count > window - CHUNK:
            rest = read(plain, rest, acks)
        plain.sendall(chunk)
        sent += CHUNK
    while acks.count < count:
        rest = read(plain, rest, acks)


def read(plain: socket.socket, rest: bytes, acks: Acks) -> bytes:
    """Take what the socket has, count the acks in it; the beginning of a frame that is not there yet."""
    data = rest + plain.recv(65_536)
    position = 0
    while len(data) - position >= FRAME.size:
        kind, _, size = FRAME.unpack_from(data, position)
        end = position + FRAME.size + size + END_BYTES
        if end > len(data):
            break
        _count(acks, data, position + FRAME.size, kind)
        position = end
    return data[position:]


def _count(acks: Acks, data: bytes, at: int, kind: int) -> None:
    kind_of_method, method, tag, multiple = ACK.unpack_from(data, at)
    if (kind, kind_of_method << 16 | method) != (METHOD_FRAME, Basic.Ack.INDEX):
        raise AssertionError(f"the broker said {kind_of_method}.{method} instead of basic.ack")
    acks.add(tag, bool(multiple))


def _frames(message: Encoded, channel: int) -> bytes:
    method = Basic.Publish(exchange=conf.exchange(), routing_key=message.routing_key, mandatory=True)
    header = frame.Header(channel, len(message.body), properties(message))
    return b"".join(
        part.marshal() for part in (frame.Method(channel, method), header, frame.Body(channel, message.body))
    )


def _socket_of(connection: pika.BlockingConnection) -> socket.socket:
    """pika did the handshake; from here on its socket is used without it."""
    inside: Any = connection
    plain: socket.socket = inside._impl._transport._sock
    plain.setblocking(True)
    return plain
