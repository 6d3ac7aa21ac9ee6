"""Hears all that is published on a broker of our own: `python -m tests.firehose URL WORD SOURCE`.

RabbitMQ copies each published message to an exchange of its own where it is asked to:
https://www.rabbitmq.com/docs/firehose. (What it moves by itself, as from a retry queue, was published before.)

A process of its own: it must hear headers too that pika cannot read, and not make pika's log lines among a test's. To
each line on its input it answers with one, of what it had heard when that line itself came by as a message.
"""

import json
import re
import sys
from functools import partial
from threading import Thread
from typing import Any

import pika

from tests.planting import pattern

LEAKS_AT_MOST = 100
OWN_KEY = "tests.firehose"
NAME = re.compile(rb"exchange_nameS(.{4})", re.DOTALL)
KEY = re.compile(rb"routing_keysA.{4}S(.{4})", re.DOTALL)


class Listener:
    """What was heard: `leaks` are (exchange, routing key, where the word was), kept until they are asked for."""

    def __init__(self, word: str) -> None:
        self.pattern = pattern(word)
        self.heard = 0
        self.leaks: dict[tuple[str, str, str], None] = {}
        self.asked: set[bytes] = set()

    def hear(self, raw: bytes, body: bytes) -> None:
        """RAW is the header of the copy: the exchange, the routing key and the properties of what was copied."""
        if body in self.asked:
            self._answer(body)
        elif _text(KEY, raw) != OWN_KEY.encode():  # that of a listener beside this one
            self._hear(raw, body)

    def _hear(self, raw: bytes, body: bytes) -> None:
        self.heard += 1
        if self.pattern.search(raw) or self.pattern.search(body):
            self._note(raw, body)

    def _note(self, raw: bytes, body: bytes) -> None:
        exchange, key = _text(NAME, raw), _text(KEY, raw)
        places = {"body": body, "routing key": key, "header": raw.replace(key, b"", 1)}
        for where, content in places.items():
            if self.pattern.search(content) and len(self.leaks) < LEAKS_AT_MOST:
                self.leaks[(exchange.decode(), key.decode(errors="replace"), where)] = None

    def _answer(self, line: bytes) -> None:
        self.asked.discard(line)
        _say(json.dumps({"heard": self.heard, "leaks": list(self.leaks)}))
        self.leaks.clear()


def listen(url: str, word: str, source: str) -> None:
    listener = Listener(word)
    connection = pika.BlockingConnection(_patient(url))
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, source, "publish.#")
    channel.basic_consume(queue, lambda _, __, properties, body: listener.hear(properties.raw, body), auto_ack=True)
    Thread(target=_pass_on, args=(connection, channel, listener), daemon=True).start()
    _say("listening")
    channel.start_consuming()
    connection.close()


def _pass_on(connection: Any, channel: Any, listener: Listener) -> None:
    """Each line goes the way of all messages; the end of the input is the end."""
    for line in sys.stdin.buffer:
        listener.asked.add(line)
        connection.add_callback_threadsafe(partial(channel.basic_publish, "", OWN_KEY, line))
    connection.add_callback_threadsafe(channel.stop_consuming)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _text(name: re.Pattern[bytes], raw: bytes) -> bytes:
    """Of a long string in a table, or the first one in an array."""
    found = name.search(raw)
    return raw[found.end() : found.end() + int.from_bytes(found[1])] if found else b""


def _left_raw(properties: Any, encoded: bytes, offset: int = 0) -> Any:
    properties.raw = encoded[offset:]
    return properties


def _patient(url: str) -> pika.URLParameters:
    parameters: Any = pika.URLParameters(url)
    parameters.heartbeat = 0
    return parameters


if __name__ == "__main__":
    pika.BasicProperties.decode = _left_raw  # type: ignore[method-assign]
    listen(*sys.argv[1:])
