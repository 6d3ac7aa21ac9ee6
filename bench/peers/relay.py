"""The relay, from PostgreSQL: reads, publishes, waits for confirms, and deletes."""

import time
from typing import Any

from bench.events import fill_outbox
from publisher.relay.relay import Relay


class TimedRelay(Relay):
    """Tells how long it relayed: without connecting, which the peers are not charged with either."""

    seconds = 0.0

    def _serve(self, *args: Any) -> bool:
        began = time.perf_counter()
        try:
            return super()._serve(*args)
        finally:
            self.seconds += time.perf_counter() - began


def publish(count: int, queue: str) -> float:
    """The outbox holds so many events already."""
    return relayed(count)


def publish_repeatedly(count: int, times: int) -> list[float]:
    """The first time what the outbox holds already; it is filled again for each other one, which is not counted."""
    seconds = [relayed(count)]
    for _ in range(times - 1):
        fill_outbox(count)
        seconds.append(relayed(count))
    return seconds


def relayed(count: int) -> float:
    relay = TimedRelay("default")
    relay.run(once=True)
    published = sum(relay.tally.values())
    if published != count:
        raise AssertionError(f"relayed {published} of {count}")
    return relay.seconds
