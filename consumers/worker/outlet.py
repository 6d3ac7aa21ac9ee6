"""Publishes copies of deliveries: to a retry queue, to the dead letters, or back to their queue."""

import heapq
import logging
from collections.abc import Iterator
from itertools import count
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from consumers.delays import tier_for
from consumers.headers import ROUTING_KEY
from consumers.worker.job import Job
from publisher.wire.connection import Connection
from publisher.wire.errors import BrokerUnavailable, MessageRefused
from publisher.wire.frames import Message
from publisher.wire.intake import Delivery, republished
from publisher.wire.sender import Outcome, Sender
from publisher.wire.topology import dead_exchange, dead_queue, retry_exchange, return_exchange

logger = logging.getLogger("consumers.worker")

SHORTEST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


class Way(Struct, frozen=True):
    """A copy on its way to the broker, which replaces a delivery. `job` is done once the copy is confirmed; None if
    no job was begun.

    `is_as_new`: the copy goes to the queue that the delivery came from. `refusals`: how often a queue refused the copy.
    """

    delivery: Delivery
    message: Message
    job: Job | None = None
    is_as_new: bool = False
    refusals: int = 0


class Outlet:
    """Not thread-safe. A copy that a full queue refuses is sent again after a pause, which grows with each refusal."""

    def __init__(self, connection: Connection, exchange: str) -> None:
        self._connection = connection
        self._exchange = exchange
        self._sender: Sender[Way] = Sender(connection)
        # For refused copies, on another channel: a quorum queue that refused a channel once may go on refusing it,
        # though it has room now.
        self._second: Sender[Way] | None = None
        self._refused: list[tuple[float, int, Way]] = []
        self._numbers = count()

    @property
    def is_blocked(self) -> bool:
        """Whether the broker accepts no messages now, because of an alarm."""
        return self._connection.blocked

    @property
    def in_flight(self) -> int:
        """How many copies were sent, but not yet dealt with by `confirmed`."""
        return sum(len(sender.in_flight) + len(sender.settled) for sender in self._senders)

    @property
    def _senders(self) -> list[Sender[Way]]:
        return [self._sender] if self._second is None else [self._sender, self._second]

    def wait(self, delivery: Delivery, seconds: float, headers: dict[str, Any], job: Job | None = None) -> None:
        """Put a copy into the retry queue for this pause. Its routing key names the queue that it comes back to."""
        exchange = retry_exchange(self._exchange, tier_for(seconds))
        self._send(Way(delivery, republished(delivery, exchange, delivery.queue, headers), job))

    def bury(self, delivery: Delivery, headers: dict[str, Any], job: Job) -> None:
        """Put a copy into the queue of its queue's dead letters."""
        exchange = dead_exchange(self._exchange)
        self._send(Way(delivery, republished(delivery, exchange, dead_queue(delivery.queue), headers), job))

    def put_anew(self, delivery: Delivery, routing_key: str) -> None:
        """Put a copy into the queue that the delivery came from. If the delivery were requeued, it would be marked as
        redelivered, and count as begun.
        """
        exchange, headers = return_exchange(self._exchange), {ROUTING_KEY: routing_key}
        self._send(Way(delivery, republished(delivery, exchange, delivery.queue, headers), is_as_new=True))

    def _send(self, way: Way) -> None:
        self._sender.send(way, way.message)

    def check(self) -> list[Way]:
        """The copies that are too large for the broker. Such a copy closes its channel, so the others that were on
        their way are sent again.
        """
        self._sender, refused = self._checked(self._sender)
        if self._second is not None:
            self._second, more = self._checked(self._second)
            refused += more
        return refused

    def _checked(self, sender: Sender[Way]) -> tuple[Sender[Way], list[Way]]:
        try:
            sender.check()
            return sender, []
        except MessageRefused as refusal:
            return sender.afresh(refusal, lambda way: way.message)

    def confirmed(self, now: float) -> Iterator[Way]:
        """The copies that are confirmed. Raises BrokerUnavailable if a queue is missing: a new session declares it."""
        for sender in self._senders:
            while sender.settled:
                way, outcome = sender.settled.popleft()
                if outcome is Outcome.CONFIRMED:
                    yield way
                elif outcome is Outcome.NACKED:
                    self._wait(way, now)
                else:
                    raise BrokerUnavailable(f"no queue is there for the copy of an event of {way.delivery.queue}")

    def offer_again(self, now: float) -> None:
        """Send refused copies again whose pause is over."""
        if not self._refused or self._refused[0][0] > now or (self._second is not None and self._second.in_flight):
            return
        if self._second is not None:
            self._second.close()
        self._second = Sender(self._connection)
        while self._refused and self._refused[0][0] <= now:
            way = heapq.heappop(self._refused)[2]
            self._second.send(way, way.message)

    def _wait(self, way: Way, now: float) -> None:
        """Have a refused copy wait. Only the first refusal is logged, until no refused copy waits any more."""
        pause = min(SHORTEST_PAUSE_SECONDS * 2**way.refusals, LONGEST_PAUSE_SECONDS)
        if not self._refused:
            logger.warning("refused queue=%s exchange=%s key=%s again_seconds=%g: is the target queue full? "
                           "The event waits in this process meanwhile", way.delivery.queue, way.message.exchange,
                           way.message.routing_key, pause)  # fmt: skip
        heapq.heappush(self._refused, (now + pause, next(self._numbers), replace(way, refusals=way.refusals + 1)))
