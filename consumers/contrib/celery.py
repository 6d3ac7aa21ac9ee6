"""Events for Celery: a handler that enqueues a task, or a Celery worker that takes events from the exchange itself."""

import logging
from collections.abc import Callable
from typing import Any

from celery import Celery, Task
from celery.bootsteps import ConsumerStep
from kombu import Consumer, Message, Queue
from kombu.pools import producers

from consumers.contrib.plain import event_of, plain
from consumers.delays import TIERS_SECONDS
from publisher import conf
from publisher.wire.errors import MalformedEvent
from publisher.wire.event import Event, decode_event
from publisher.wire.printable import printable
from publisher.wire.topology import Topology, subscription, waiting

__all__ = ["event_of", "events_to", "to_task"]

logger = logging.getLogger(__name__)

PREFETCH = 64


def to_task(task: Task) -> Callable[[Event], None]:
    """A handler that sends the event to the task, as a dict: `subscribe("auth.#", name="greet")(to_task(greet))`."""

    def handle(event: Event) -> None:
        send(task, event)

    return handle


def events_to(task: Task, *patterns: str, name: str = "", prefetch: int = PREFETCH) -> type[ConsumerStep]:
    """A bootstep of a Celery worker that calls the task for each event under these routing keys.

    `app.steps["consumer"].add(events_to(greet, "auth.#"))`. The queue is `<service>.<name>`, by default called after
    the task's function, on Celery's own broker. An event is acknowledged once the broker confirmed its task.
    """
    queue = f"{conf.service()}.{name or task.name.rpartition('.')[2]}"
    step_name = f"{__name__}:{queue}"

    class Events(ConsumerStep):  # type: ignore[misc]
        # Celery keeps one step of a name.
        name = step_name

        def get_consumers(self, channel: Any) -> list[Consumer]:
            topology = waiting(conf.exchange(), TIERS_SECONDS) + subscription(conf.exchange(), queue, patterns)
            _declare(channel, topology)
            return [
                Consumer(
                    channel, [Queue(queue, no_declare=True)], on_message=self.arrived, prefetch_count=prefetch,
                    auto_declare=False,
                )
            ]  # fmt: skip

        def arrived(self, message: Message) -> None:
            try:
                event = decode_event(bytes_of(message.body), message.delivery_info["routing_key"])
                send(task, event)
            except MalformedEvent as exc:
                logger.error("dead queue=%s reason=malformed: %s", queue, printable(exc))
                message.reject()
            except Exception as exc:
                # The limit of deliveries is the end of it: then it is a dead letter.
                logger.warning("not enqueued queue=%s: %s", queue, type(exc).__name__)
                message.requeue()
            else:
                message.ack()

    return Events


def send(task: Task, event: Event) -> None:
    """Returns when the broker has confirmed the task's message, which Celery by itself does not wait for.

    The task's id is the event's, so that an event that comes twice can be told by it.
    """
    app: Celery = task.app
    connection = app.connection_for_write()
    connection.transport_options = {**connection.transport_options, "confirm_publish": True}
    with producers[connection].acquire(block=True) as producer:
        task.apply_async((plain(event),), task_id=event.id, producer=producer)


def _declare(channel: Any, topology: Topology) -> None:
    for exchange in topology.exchanges:
        channel.exchange_declare(exchange.name, exchange.kind, durable=True, auto_delete=False)
    for queue in topology.queues:
        channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=dict(queue.arguments))
    for binding in topology.bindings:
        channel.queue_bind(binding.queue, binding.exchange, binding.key)


def bytes_of(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)
