"""Commits orders at a steady rate, and has their events published in one of the ways compared."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pika
from django.db import transaction

from bench.events import encoder
from bench.models import ForwardedOrder, PlainOrder, values
from bench.peers.celery_task import application, handle
from bench.peers.properties import properties
from publisher import conf

CONSUMER_SECONDS = 20

Write = Callable[[int], None]


def commits(way: str, queue: str, count: int, per_second: int) -> dict[int, float]:
    """By the order's number, when its COMMIT had returned, on the machine's monotonic clock."""
    write = WAYS[way](queue)
    committed: dict[int, float] = {}

    def commit(number: int) -> None:
        with transaction.atomic():
            # The first of the hooks: whatever publishes after COMMIT comes after the clock was read.
            transaction.on_commit(lambda: committed.update({number: time.monotonic()}))
            write(number)

    wait_for_consumer(queue)
    began = time.monotonic()
    for number in range(1, count + 1):
        commit(number)
        time.sleep(max(0.0, began + number / per_second - time.monotonic()))
    return committed


def wait_for_consumer(queue: str) -> None:
    deadline = time.monotonic() + CONSUMER_SECONDS
    with pika.BlockingConnection(pika.URLParameters(conf.broker_url())) as connection:
        channel = connection.channel()
        while not channel.queue_declare(queue, passive=True).method.consumer_count:
            if time.monotonic() > deadline:
                raise AssertionError("no consumer came")
            connection.sleep(0.05)


def forwarded(queue: str) -> Write:
    """By the bridge: all there is to do is to save."""
    return lambda number: ForwardedOrder(**values(number)).save()


def with_pika(queue: str) -> Write:
    """The same bytes, published and confirmed as soon as COMMIT has returned."""
    channel: Any = pika.BlockingConnection(pika.URLParameters(conf.broker_url())).channel()
    channel.confirm_delivery()
    encode, exchange = encoder(), conf.exchange()

    def write(number: int) -> None:
        order = PlainOrder(**values(number))
        order.save()
        event = encode(ForwardedOrder(pk=order.pk, **values(number)))
        publish = partial(
            channel.basic_publish, exchange, event.routing_key, event.body, properties(event), mandatory=True
        )
        transaction.on_commit(publish)

    return write


def with_celery(queue: str) -> Write:
    """A task that has the same bytes as its argument."""
    task: Any = application(queue).task(handle, name="bench.handle")
    encode = encoder()

    def write(number: int) -> None:
        order = PlainOrder(**values(number))
        order.save()
        event = encode(ForwardedOrder(pk=order.pk, **values(number)))
        task.delay_on_commit(event.body.decode())

    return write


WAYS: dict[str, Callable[[str], Write]] = {"relay": forwarded, "pika": with_pika, "celery": with_celery}
