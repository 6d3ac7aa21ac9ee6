"""Listens to all that is published on a broker of our own, for what must never be.

RabbitMQ copies each published message to an exchange of its own where it is asked to: https://www.rabbitmq.com/docs/firehose
"""

import re
from typing import Any
from unittest import mock

import pika

FIREHOSE = "amq.rabbitmq.trace"


class Wiretap:
    """What was published since it was made, whoever did: `leaks` are the keys of messages that hold a word."""

    def __init__(self, url: str, word: bytes) -> None:
        self.word = word
        self.heard = 0
        # Nobody reads from it for long: no heartbeat.
        self._connection = pika.BlockingConnection(_patient(url))
        self._channel = self._connection.channel()
        self._queue = self._channel.queue_declare("", exclusive=True).method.queue
        self._channel.queue_bind(self._queue, FIREHOSE, "publish.#")

    def leaks(self) -> set[str]:
        found = set()
        with mock.patch.object(pika.BasicProperties, "decode", _left_raw):
            for method, properties, body in self._channel.consume(self._queue, auto_ack=True, inactivity_timeout=1):
                if method is None:
                    break
                self.heard += 1
                if self.word in body or self.word in properties.raw:
                    found.add(_routing_key(properties.raw))
            self._channel.cancel()
        return found

    def close(self) -> None:
        self._connection.close()


def _left_raw(properties: Any, encoded: bytes, offset: int = 0) -> Any:
    """Some tests publish headers that pika cannot read."""
    properties.raw = encoded[offset:]
    return properties


def _routing_key(raw: bytes) -> str:
    """Of the message that was copied; it is in a header, an array with a text."""
    header = re.search(rb"routing_keysA.{4}S(.{4})", raw, re.DOTALL)
    if header is None:
        return ""
    return raw[header.end() : header.end() + int.from_bytes(header[1])].decode(errors="replace")


def _patient(url: str) -> pika.URLParameters:
    parameters: Any = pika.URLParameters(url)
    parameters.heartbeat = 0
    return parameters
