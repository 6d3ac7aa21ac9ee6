"""Looks through a queue and leaves it as it was, but for what is taken out of it."""

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
# What is copied is known by its token.
Copy = tuple[Token, Delivery, Message]

logger = logging.getLogger(__name__)

GLANCE_SECONDS = 5.0
POLL_SECONDS = 0.5
# What a queue hands out to one who gives nothing back; AMQP counts it in two bytes.
PREFETCH = 60_000


class Shelf:
    """The first `most` messages of one queue, each delivered once and given back, when the shelf is closed, unless it
    was removed.
    """

    def __init__(self, connection: Connection, queue: str, most: float = inf) -> None:
        self.connection = connection
        self.queue = queue
        self._most = most
        self._arrived: list[Delivery] = []
        self._intake = Intake(connection, self._arrived.append)

    def __iter__(self) -> Iterator[Delivery]:
        """As many of them as were there at the beginning. Raises BrokerUnavailable when they do not come."""
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
        """Publishes each copy, and removes what it is a copy of once the broker confirmed it, and not before.

        Where the outcome is not CONFIRMED, it stays; what is larger than the broker takes counts as NACKED.
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
        """The sender to go on with, which is another one where the broker refused a copy and closed the channel."""
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
    """What a message is called: its id, or its event's, or a digest where a stranger gave it none."""
    message_id: Any = properties.message_id
    if isinstance(message_id, str) and message_id:
        return message_id
    return id_of(body) or sha256(body).hexdigest()[:16]
