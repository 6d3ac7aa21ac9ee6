"""pika's BlockingConnection: `basic_publish` returns when the message is confirmed."""

import time

import pika

from bench.events import events
from bench.peers.properties import properties
from publisher import conf


def publish(count: int, queue: str) -> float:
    messages = list(events(count))
    exchange = conf.exchange()
    with pika.BlockingConnection(pika.URLParameters(conf.broker_url())) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        began = time.perf_counter()
        for message in messages:
            channel.basic_publish(exchange, message.routing_key, message.body, properties(message), mandatory=True)
        return time.perf_counter() - began
