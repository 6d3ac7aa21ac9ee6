"""Reads the messages of a queue without removing them, except those that it is told to remove."""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import sha256
from math import inf
from typing import Any, TypeVar

from pika import BasicProperties

from publisher.wire.connection import Connection
from publisher.wire.errors import BrokerUnavailable, MessageRefused
from publisher.wire.frames import Message
from publisher.wire.glance import id_of
from publisher.wire.intake import Delivery, Intake
from publisher.wire.sender import Outcome, Sender

Token = TypeVar("Token")
# What the caller knows the message by, the message, and its copy.
Copy = tuple[Token, Delivery, Message]

logger = logging.getLogger(__name__)

GLANCE_SECONDS = 5.0
POLL_SECONDS = 0.5
# How many messages can be read: AMQP's prefetch count has two bytes, and nothing is given back while reading.
PREFETCH = 60_000


class Shelf:
    """The first `most` messages of a queue. They go back into it when the connection is closed, unless they were
    removed.
    """

    def __init__(self, connection: Connection, queue: str, most: float = inf) -> None:
        self.connection = connection
        self.queue = queue
        self._most = most
        self._arrived: list[Delivery] = []
        self._intake = Intake(connection, self._arrived.append)

    def __iter__(self) -> Iterator[Delivery]:
        """The messages that are in the queue now. Raises BrokerUnavailable if no more come for 5 seconds."""
        waiting = min(self.connection.count_messages(self.queue) or 0, self._most)
        if not waiting:
            return
        self._intake.consume(self.queue, int(min(waiting, PREFETCH)))
        seen = 0
        while seen < waiting:
            if len(self._intake.unacked) >= PREFETCH:
                logger.warning("looked at the first %d of %d messages queue=%s", seen, waiting, self.queue)
                return
            self._wait(seen, waiting)
            arrived, self._arrived[:] = self._arrived.copy(), []
            seen += len(arrived)
            yield from arrived

    def _wait(self, seen: int, waiting: float) -> None:
        try:
            self.connection.wait_for(lambda: self._arrived, GLANCE_SECONDS)
        except BrokerUnavailable as exc:
            self.connection.check()
            text = f"{seen} of {waiting} messages of {self.queue} came: does another command look at them?"
            raise BrokerUnavailable(text) from exc

    def remove(self, delivery: Delivery) -> None:
        self._intake.ack([delivery.tag])

    def move(self, copies: Iterable[Copy[Token]]) -> Iterator[tuple[Token, Outcome]]:
        """Publish the copies, and remove each original once the broker has confirmed its copy.

        With another outcome the original stays. NACKED also stands for copies that are too large.
        """
        sender: Sender[Copy[Token]] = Sender(self.connection)
        for copy in copies:
            while not sender.has_room:
                sender = self._heard(sender, partial(sender.poll, POLL_SECONDS))
            sender = self._heard(sender, sender.check)
            sender = self._heard(sender, partial(sender.send, copy, copy[2]))
            yield from self._settled(sender)
        while sender.in_flight:
            sender = self._heard(sender, sender.flush)
        yield from self._settled(sender)

    def _heard(self, sender: Sender[Copy[Token]], act: Callable[[], None]) -> Sender[Copy[Token]]:
        """Call `act`. Returns the sender to go on with: a new one if the broker closed the channel over a copy."""
        try:
            act()
        except MessageRefused as refusal:
            if sender.is_open:
                sender.settled.extend((copy, Outcome.NACKED) for copy in refusal.tokens)
                return sender
            again, too_large = sender.afresh(refusal, lambda copy: copy[2])
            again.settled.extend((copy, Outcome.NACKED) for copy in too_large)
            return again
        return sender

    def _settled(self, sender: Sender[Copy[Token]]) -> Iterator[tuple[Token, Outcome]]:
        while sender.settled:
            (token, delivery, _), outcome = sender.settled.popleft()
            if outcome is Outcome.CONFIRMED:
                self.remove(delivery)
            yield token, outcome


def letter_id(properties: BasicProperties, body: bytes) -> str:
    """The id of a message: its own, or its event's, or a hash of its body."""
    message_id: Any = properties.message_id
    if isinstance(message_id, str) and message_id:
        return message_id
    return id_of(body) or sha256(body).hexdigest()[:16]
