"""The thread behind direct delivery: from the buffer to the exchange, with confirms."""

import logging
from contextlib import closing

from publisher import conf, counters
from publisher.direct import Buffer, DirectEvent
from publisher.wire.connection import Connection
from publisher.wire.errors import BrokerRefused, BrokerUnavailable, MessageRefused
from publisher.wire.event import CONTENT_TYPE, seconds_of
from publisher.wire.frames import Message
from publisher.wire.glance import correlation_of
from publisher.wire.lifecycle import connect_patiently
from publisher.wire.loop import Loop
from publisher.wire.sender import Outcome, Sender
from publisher.wire.topology import events_exchange

logger = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
BUSY_SECONDS = 0.05


def publish(buffer: Buffer) -> None:
    """Runs until the buffer is closed and empty. What was in flight when the broker went away is dropped."""
    with closing(Loop()) as loop:
        _publish(buffer, loop)


def _publish(buffer: Buffer, loop: Loop) -> None:
    while not (buffer.stop.is_set() and not buffer.waiting):
        try:
            connection = connect_patiently(conf.broker_url, "direct", stop=buffer.stop, loop=loop)
            if connection is None:
                return
            with connection:
                _serve(buffer, connection)
        except (BrokerUnavailable, MessageRefused) as exc:
            lost, buffer.in_flight = buffer.in_flight, 0
            if lost:
                buffer.drop(lost, str(exc))
        except BrokerRefused as exc:
            logger.error("direct delivery refused: %s", exc)
            buffer.stop.wait(IDLE_SECONDS)


def _serve(buffer: Buffer, connection: Connection) -> None:
    connection.declare(events_exchange(conf.exchange()))
    sender: Sender[DirectEvent] = Sender(connection, conf.exchange())
    while not (buffer.stop.is_set() and not buffer.waiting and not sender.in_flight):
        while buffer.waiting and sender.has_room:
            event = buffer.take()
            sender.send(event, _message(event))
            buffer.in_flight = len(sender.in_flight)
        _wait(buffer, sender)
        _settle(buffer, sender)
        buffer.in_flight = len(sender.in_flight)


def _settle(buffer: Buffer, sender: "Sender[DirectEvent]") -> None:
    """Count what reached no queue, and say so."""
    while sender.settled:
        event, outcome = sender.settled.popleft()
        if outcome is Outcome.NACKED:
            buffer.drop(1, "the broker refused them: is a queue full?")
        elif outcome is Outcome.UNROUTABLE:
            key = event.routing_key
            if counters.is_news(number := counters.count(counters.UNROUTABLE, key)):
                logger.warning("direct events unroutable key=%s, %d so far: no queue is bound", key, number)


def _wait(buffer: Buffer, sender: "Sender[DirectEvent]") -> None:
    if not sender.in_flight and not buffer.waiting:
        # In between, heartbeats are answered.
        buffer.news.wait(IDLE_SECONDS)
        buffer.news.clear()
        sender.poll(0)
    else:
        sender.poll(BUSY_SECONDS)


def _message(event: DirectEvent) -> Message:
    return Message(
        routing_key=event.routing_key,
        body=event.body,
        content_type=CONTENT_TYPE,
        correlation_id=correlation_of(event.body),
        message_id=event.message_id,
        type=event.type,
        app_id=conf.service(),
        timestamp=seconds_of(event.message_id),
    )
