"""Celery: `apply_async` of a task whose one argument is the event, with confirms."""

import time
from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from bench.broker import QUORUM
from bench.events import events
from publisher import conf


def application(queue: str, **options: Any) -> Celery:
    """It publishes to the same exchange and quorum queue as everybody here."""
    app = Celery("bench", broker=conf.broker_url())
    exchange = Exchange(conf.exchange(), "topic", durable=True)
    app.conf.update(
        task_queues=[Queue(queue, exchange, routing_key="#", queue_arguments=QUORUM)],
        task_default_queue=queue,
        task_default_exchange=exchange.name,
        task_default_exchange_type="topic",
        task_default_routing_key="celery",
        task_ignore_result=True,
        broker_transport_options=options,
    )
    return app


def publish(count: int, queue: str) -> float:
    app = application(queue, confirm_publish=True)
    task: Any = app.task(handle, name="bench.handle")
    texts = [event.body.decode() for event in events(count + 1)]
    task.apply_async((texts.pop(),))
    began = time.perf_counter()
    for text in texts:
        task.apply_async((text,))
    return time.perf_counter() - began


def handle(body: str) -> None:
    """The task; nothing runs it here."""
