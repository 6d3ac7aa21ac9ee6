"""Fills the queues before a worker starts: each event once, in the same bodies for all, persistent."""

from typing import Any

from bench.events import events
from consumers.bindings import topology_of
from consumers.discovery import chosen, discover
from publisher import conf
from publisher.events.body import Encoded
from publisher.wire.connection import Connection
from publisher.wire.event import CONTENT_TYPE, seconds_of
from publisher.wire.frames import Message
from publisher.wire.sender import Outcome, Sender


def handlers(count: int, handler: str) -> None:
    """As the relay publishes them, to a handler's queue."""
    with Connection(conf.broker_url(), "bench") as connection:
        connection.declare(topology_of(chosen(discover(), [handler])))
    exchange(count)


def exchange(count: int) -> None:
    """As the relay publishes them, to whatever is bound."""
    with Connection(conf.broker_url(), "bench") as connection:
        sender: Sender[None] = Sender(connection, conf.exchange())
        for event in events(count):
            sender.send(None, message_of(event))
            while not sender.has_room:
                sender.poll(0.05)
        sender.flush()
        if any(outcome is not Outcome.CONFIRMED for _, outcome in sender.settled):
            raise AssertionError("a message was not taken")


def message_of(event: Encoded) -> Message:
    return Message(
        routing_key=event.routing_key,
        body=event.body,
        content_type=CONTENT_TYPE,
        message_id=event.event.id,
        type=event.event.type,
        app_id=conf.service(),
        timestamp=seconds_of(event.event.id),
    )


def celery(count: int, task: str) -> None:
    """Tasks whose argument is the event, in JSON."""
    from bench.workers.celery_app import app

    for event in events(count):
        app.send_task(task, (event.body.decode(),))


def dramatiq(count: int) -> None:
    """Messages to the actor, whose argument is the event, in JSON."""
    from bench.workers.dramatiq_app import noop

    actor: Any = noop
    for event in events(count):
        actor.send(event.body.decode())
