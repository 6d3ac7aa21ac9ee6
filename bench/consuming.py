"""A consumer that notes when each event is in its hands, in the process that measures."""

import re
import time

import pika

from publisher import conf

# In JSON, and in JSON that is a string within JSON.
NUMBER = re.compile(rb'number\\*":\s*(\d+)')
SILENCE_SECONDS = 30


def arrivals(queue: str, count: int) -> dict[int, float]:
    """By the order's number, on the machine's monotonic clock; ends after so many events, or after a long silence."""
    arrived: dict[int, float] = {}
    with pika.BlockingConnection(pika.URLParameters(conf.broker_url())) as connection:
        channel = connection.channel()
        for _, _, body in channel.consume(queue, auto_ack=True, inactivity_timeout=SILENCE_SECONDS):
            if body is None:
                break
            if found := NUMBER.search(body):
                arrived[int(found[1])] = time.monotonic()
            if len(arrived) == count:
                break
        channel.cancel()
    return arrived
