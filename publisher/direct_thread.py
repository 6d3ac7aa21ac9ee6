"""The thread behind direct delivery: it publishes what is in the buffer, with confirms."""

import logging
from contextlib import closing

from publisher import conf, counters
from publisher.direct import Buffer, DirectEvent
from publisher.wire.blame import is_to_blame
from publisher.wire.errors import BrokerRefused, BrokerUnavailable, MessageRefused
from publisher.wire.lifecycle import connect_patiently
from publisher.wire.loop import Loop
from publisher.wire.outgoing import message_of
from publisher.wire.sender import Outcome, Sender
from publisher.wire.topology import events_exchange

logger = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
BUSY_SECONDS = 0.05


def publish(buffer: Buffer) -> None:
    """Publish until the buffer is closed and empty. Events in flight are dropped when the broker goes away."""
    while True:
        try:
            with closing(Loop()) as loop:
                return _publish(buffer, loop)
        except Exception as exc:
            # The thread must go on: without it, nothing would be delivered directly any more.
            logger.exception("direct delivery failed")
            _drop_in_flight(buffer, exc)
            if buffer.stop.wait(IDLE_SECONDS):
                return None


def _publish(buffer: Buffer, loop: Loop) -> None:
    while not _is_over(buffer):
        try:
            connection = connect_patiently(conf.broker_url, "direct", stop=buffer.stop, loop=loop)
            if connection is None:
                return
            with connection:
                connection.declare(events_exchange(conf.exchange()))
                while not _is_over(buffer):
                    _serve(buffer, Sender(connection, conf.exchange()))
        except BrokerUnavailable as exc:
            _drop_in_flight(buffer, exc)
        except BrokerRefused as exc:
            _drop_in_flight(buffer, exc)
            logger.error("direct delivery refused: %s", exc)
            if buffer.stop.wait(IDLE_SECONDS):
                return


def _is_over(buffer: Buffer) -> bool:
    return buffer.stop.is_set() and not buffer.waiting


def _drop_in_flight(buffer: Buffer, reason: Exception) -> None:
    lost, buffer.in_flight = buffer.in_flight, 0
    if lost:
        buffer.drop(lost, str(reason))


def _serve(buffer: Buffer, sender: Sender[DirectEvent]) -> None:
    """Publish until the buffer is closed and empty, or until the broker refuses an event and closes the channel."""
    try:
        while not (_is_over(buffer) and not sender.in_flight):
            while buffer.waiting and sender.has_room and sender.is_open:
                _send(buffer, sender)
            _hear(buffer, sender)
    except MessageRefused as exc:
        _blame(buffer, exc)


def _send(buffer: Buffer, sender: Sender[DirectEvent]) -> None:
    event = buffer.take()
    try:
        sender.send(event, message_of(event, conf.service(), to=(None, event.routing_key)))
    except MessageRefused as exc:
        buffer.drop(1, str(exc))
    buffer.in_flight = len(sender.in_flight)


def _hear(buffer: Buffer, sender: Sender[DirectEvent]) -> None:
    try:
        _wait(buffer, sender)
    finally:
        _settle(buffer, sender)
        buffer.in_flight = len(sender.in_flight)


def _blame(buffer: Buffer, refused: MessageRefused) -> None:
    """Drop the event that the broker refused, and put back the later ones, which the broker did not look at.

    The earlier ones were published. Where it is unknown which event was refused, all are dropped.
    """
    events: list[DirectEvent] = list(refused.tokens)
    reason = str(refused)
    accused = [at for at, event in enumerate(events) if is_to_blame(reason, event.routing_key, event.body)]
    buffer.in_flight = 0
    if accused:
        buffer.put_back(events[accused[0] + 1 :])
    buffer.drop(1 if accused else len(events), reason)


def _settle(buffer: Buffer, sender: Sender[DirectEvent]) -> None:
    """Count and log events that were refused, or that reached no queue."""
    while sender.settled:
        event, outcome = sender.settled.popleft()
        if outcome is Outcome.NACKED:
            buffer.drop(1, "the broker refused them: is a queue full?")
        elif outcome is Outcome.UNROUTABLE:
            key = event.routing_key
            if counters.is_news(number := counters.count(counters.UNROUTABLE, key)):
                logger.warning("direct events unroutable key=%s, %d so far: no queue is bound", key, number)


def _wait(buffer: Buffer, sender: Sender[DirectEvent]) -> None:
    if not sender.in_flight and not buffer.waiting:
        # The wait has an end, so that the connection is polled and answers heartbeats.
        buffer.news.wait(IDLE_SECONDS)
        buffer.news.clear()
        sender.poll(0)
    else:
        sender.poll(BUSY_SECONDS)
