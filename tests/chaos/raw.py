"""AMQP with bare hands: sends headers that no client would make, and reads messages without looking at theirs."""

import socket
from struct import Struct
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from pika import frame, spec

METHOD, HEADER, BODY, HEARTBEAT, END = 1, 2, 3, 8, b"\xce"
CHANNEL = 1
FRAME_BYTES = 131_072
TIMEOUT_SECONDS = 30.0
FRAME = Struct(">BHL")
CONTENT = Struct(">HHQ")


class Raw:
    """A connection with one channel in confirm mode. Only headers of one frame, only bodies that come whole."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=TIMEOUT_SECONDS)
        self._socket.sendall(b"AMQP\x00\x00\x09\x01")
        self._file = self._socket.makefile("rb")
        self.version = str(self._expect(spec.Connection.Start, 0).server_properties["version"])
        login = f"\0{parts.username}\0{parts.password}"
        self._tell(spec.Connection.StartOk({}, "PLAIN", login, "en_US"), 0)
        self._expect(spec.Connection.Tune, 0)
        self._tell(spec.Connection.TuneOk(2047, FRAME_BYTES, 0), 0)
        self._ask(spec.Connection.Open("/"), spec.Connection.OpenOk, 0)
        self._ask(spec.Channel.Open(), spec.Channel.OpenOk)
        self._ask(spec.Confirm.Select(), spec.Confirm.SelectOk)

    def publish(self, exchange: str, key: str, properties: bytes, body: bytes) -> None:
        """`properties` are the flags and what they stand for, as they go on the wire. Returns when it is confirmed."""
        self._tell(spec.Basic.Publish(exchange=exchange, routing_key=key))
        self._send(HEADER, CONTENT.pack(spec.Basic.INDEX, 0, len(body)) + properties)
        most = FRAME_BYTES - FRAME.size - len(END)
        for start in range(0, len(body), most):
            self._send(BODY, body[start : start + most])
        self._expect(spec.Basic.Ack, CHANNEL)

    def take(self, queue: str) -> list[bytes]:
        """The bodies of all messages of a queue, removed from it."""
        bodies = []
        while (body := self._get(queue)) is not None:
            bodies.append(body)
        return bodies

    def count(self, queue: str) -> int:
        """How many messages of this queue nobody has taken."""
        return int(self._ask(spec.Queue.Declare(queue=queue, passive=True), spec.Queue.DeclareOk).message_count)

    def _get(self, queue: str) -> bytes | None:
        self._tell(spec.Basic.Get(queue=queue, no_ack=True))
        answer = self._method()
        if isinstance(answer, spec.Basic.GetEmpty):
            return None
        _, header = self._read()
        _, _, size = CONTENT.unpack_from(header)
        body = b""
        while len(body) < size:
            body += self._read()[1]
        return body

    def _ask(self, method: Any, answer: type, channel: int = CHANNEL) -> Any:
        self._tell(method, channel)
        return self._expect(answer, channel)

    def _expect(self, kind: type, channel: int) -> Any:
        method = self._method()
        if not isinstance(method, kind):
            raise ConnectionError(f"{kind.__name__} was due on channel {channel}, there came {method}")
        return method

    def _method(self) -> Any:
        kind, payload = self._read()
        if kind != METHOD:
            raise ConnectionError(f"a method was due, there came a frame of type {kind}")
        _, decoded = frame.decode_frame(FRAME.pack(METHOD, 0, len(payload)) + payload + END)
        return decoded.method

    def _read(self) -> tuple[int, bytes]:
        while True:
            head = self._file.read(FRAME.size)
            if len(head) < FRAME.size:
                raise ConnectionError("the broker closed the connection")
            kind, _, size = FRAME.unpack(head)
            payload = self._file.read(size + 1)[:-1]
            if kind != HEARTBEAT:
                return kind, payload

    def _tell(self, method: Any, channel: int = CHANNEL) -> None:
        self._socket.sendall(frame.Method(channel, method).marshal())

    def _send(self, kind: int, payload: bytes) -> None:
        self._socket.sendall(FRAME.pack(kind, CHANNEL, len(payload)) + payload + END)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._socket.close()
