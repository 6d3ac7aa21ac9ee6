"""Events for Celery: a handler that enqueues a task, or a Celery worker that takes events from the exchange itself."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery, Task
from celery.bootsteps import ConsumerStep
from kombu import Consumer, Message, Producer, Queue
from kombu.pools import producers

from consumers.contrib.plain import event_of, plain
from consumers.delays import TIERS_SECONDS
from consumers.headers import ROUTING_KEY, noted_key
from publisher import conf
from publisher.wire.errors import MalformedEvent
from publisher.wire.event import CONTENT_TYPE, Event, decode_event
from publisher.wire.printable import printable
from publisher.wire.topology import Topology, retry_exchange, subscription, waiting

__all__ = ["event_of", "events_to", "to_task"]

logger = logging.getLogger(__name__)

PREFETCH = 64
# The pause of an event whose task could not be enqueued. Has to be one of TIERS_SECONDS.
WAIT_SECONDS = 10
# Properties that a copy keeps only for consoles and dead letters to show: the body alone is the whole event.
KEPT = ("message_id", "type", "timestamp", "app_id")


def to_task(task: Task) -> Callable[[Event], None]:
    """A handler that sends the event to the task, as a dict: `subscribe("auth.#", name="greet")(to_task(greet))`."""

    def handle(event: Event) -> None:
        send(task, event)

    return handle


def events_to(task: Task, *patterns: str, name: str = "", prefetch: int = PREFETCH) -> type[ConsumerStep]:
    """A bootstep for a Celery worker, which enqueues the task for each event under these routing keys.

    `app.steps["consumer"].add(events_to(greet, "auth.#"))`. The queue is `<service>.<name>` on Celery's own broker; the
    default of `name` is the name of the task's function. An event is acknowledged once the broker has confirmed the
    task's message. If the task cannot be enqueued, the event waits on the broker, and is tried again every ten seconds.
    """
    queue = f"{conf.service()}.{name or task.name.rpartition('.')[2]}"
    step_name = f"{__name__}:{queue}"

    class Events(ConsumerStep):  # type: ignore[misc]
        # Each step needs its own: of two steps with one name, Celery keeps one.
        name = step_name

        def __init__(self, worker: Any, **options: Any) -> None:
            self.timer = worker.timer

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
                send(task, event_in(message))
            except MalformedEvent as exc:
                logger.error("dead queue=%s reason=malformed: %s", queue, printable(exc))
                message.reject()
            except Exception as exc:
                logger.warning("not enqueued queue=%s: %s", queue, type(exc).__name__)
                self.put_off(message)
            else:
                message.ack()

        def put_off(self, message: Message) -> None:
            try:
                put_into_wait(task.app, message, queue)
            except Exception as exc:
                # Not requeued: it would be redelivered at once. Unacknowledged, it is not lost if the worker ends.
                logger.warning("not put off queue=%s: %s", queue, type(exc).__name__)
                self.timer.call_after(WAIT_SECONDS, self.again, (message,))
            else:
                message.ack()

        def again(self, message: Message) -> None:
            # If the connection was lost, the broker delivers the message again by itself.
            if message.channel.connection is not None:
                self.arrived(message)

    return Events


def event_in(message: Message) -> Event:
    """The event in this message. Raises MalformedEvent."""
    return decode_event(bytes_of(message.body), key_of(message))


def key_of(message: Message) -> str:
    return noted_key(message.headers) or message.delivery_info["routing_key"]


def send(task: Task, event: Event) -> None:
    """Enqueue the task, and wait until the broker has confirmed its message. Celery alone does not wait.

    The task has the id of the event, so that a task can recognise an event that comes twice.
    """
    with confirming(task.app) as producer:
        task.apply_async((plain(event),), task_id=event.id, producer=producer)


def put_into_wait(app: Celery, message: Message, queue: str) -> None:
    """Put a copy into a retry queue, from where it comes back to `queue`, and wait for the broker's confirm."""
    with confirming(app) as producer:
        producer.publish(
            message.body,
            exchange=retry_exchange(conf.exchange(), WAIT_SECONDS),
            routing_key=queue,
            mandatory=True,
            content_type=message.content_type or CONTENT_TYPE,
            content_encoding=message.content_encoding,
            headers={ROUTING_KEY: key_of(message)},
            **{name: message.properties[name] for name in KEPT if name in message.properties},
        )


@contextmanager
def confirming(app: Celery) -> Iterator[Producer]:
    """A producer that waits for confirms.

    After an error the producer's connection is replaced: otherwise a late confirm would count for the next message.
    """
    connection = app.connection_for_write()
    connection.transport_options = {**connection.transport_options, "confirm_publish": True}
    with producers[connection].acquire(block=True) as producer:
        yield producer


def _declare(channel: Any, topology: Topology) -> None:
    for exchange in topology.exchanges:
        channel.exchange_declare(exchange.name, exchange.kind, durable=True, auto_delete=False)
    for queue in topology.queues:
        channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=dict(queue.arguments))
    for binding in topology.bindings:
        channel.queue_bind(binding.queue, binding.exchange, binding.key)


def bytes_of(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)
