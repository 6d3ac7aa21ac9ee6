"""What happens to the consumers: to their processes, their database, and to the broker; and what strangers send."""

import signal
import time
from contextlib import suppress
from random import Random
from typing import Self

from tests.chaos.crew import Crew, Member
from tests.chaos.effects import Effects
from tests.chaos.faults import WORK_SECONDS, Faults
from tests.chaos.hostile import HOSTILE, KEY
from tests.chaos.names import EXCHANGE
from tests.chaos.noting import unfinished
from tests.chaos.raw import Raw
from tests.chaos.schedule import Kind
from tests.chaos.servers import Broker, SQLite
from tools.databases.database import Database
from tools.process import wait_until

HANDLER_SECONDS = 0.03
SEND_SECONDS = 60.0


class ConsumerFaults(Faults):
    """`ends_seconds` are how long consumers took to end when they were asked to."""

    def __init__(
        self, broker: Broker, database: Database | SQLite, crew: Crew, random: Random, effects: Effects
    ) -> None:
        super().__init__(broker, database, crew, random)
        self.effects = effects
        self.ends_seconds: list[float] = []
        self._hostile = iter(HOSTILE)
        self.doings = {
            **self.doings,
            Kind.CONSUMER_KILLED: self._kill_consumer,
            Kind.CONSUMER_ENDED: self._end_consumer,
            Kind.HOSTILE_SENT: self._send_hostile,
        }

    def backlog(self) -> int:
        """Handlers that run."""
        return sum(map(self._running_in, self.crew.running("consumer")))

    def _running_in(self, consumer: Member) -> int:
        return unfinished(self.crew.folder, consumer.name).total()

    def wait_for_work(self) -> None:
        wait_until(lambda: self._tended().backlog() > 0, timeout_seconds=WORK_SECONDS, every_seconds=0.005)

    def wait_for_progress(self, timeout_seconds: float) -> None:
        """Another effect is there."""
        before = self.effects.newest()
        wait_until(
            lambda: self._tended().effects.newest() > before, timeout_seconds=timeout_seconds, every_seconds=0.01
        )

    def _tended(self) -> Self:
        """Poison kills too: without a supervisor there would soon be nobody left."""
        self.crew.replace_the_dead("consumer")
        return self

    def _kill_consumer(self, _: float) -> int:
        consumer = self._stopped_mid_handler()
        running = self._running_in(consumer)
        self.crew.kill(consumer)
        self.crew.start("consumer")
        return running

    def _end_consumer(self, _: float) -> int:
        """As a deploy does: the next one starts while this one ends."""
        consumer = self._stopped_mid_handler()
        running = self._running_in(consumer)
        consumer.send(signal.SIGTERM)
        consumer.send(signal.SIGCONT)
        self.crew.start("consumer")
        self.ends_seconds.append(self.crew.wait(consumer))
        return running

    def _send_hostile(self, _: float) -> int:
        hostile = next(self._hostile)
        deadline = time.monotonic() + SEND_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError), Raw(self.broker.url) as raw:
                raw.publish(EXCHANGE, KEY, hostile.properties, hostile.body)
                return 0
            time.sleep(0.1)
        raise RuntimeError(f"the broker does not take {hostile.name}")

    def _stopped_mid_handler(self) -> Member:
        """A consumer, stopped while a handler runs in it; after a while, any."""
        deadline = time.monotonic() + WORK_SECONDS
        while True:
            self.wait_for_work()
            time.sleep(self.random.uniform(0, HANDLER_SECONDS))
            consumers = self.crew.running("consumer")
            consumer = self.random.choice([each for each in consumers if self._running_in(each)] or consumers)
            consumer.send(signal.SIGSTOP)
            if self._running_in(consumer) or time.monotonic() > deadline:
                return consumer
            consumer.send(signal.SIGCONT)
