"""What happens to the publisher: to its relays, its writers, its database, and to the broker."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from random import Random

from tests.chaos.crew import Crew, Member
from tests.chaos.faults import RECOVERY_SECONDS, Faults
from tests.chaos.journal import last_attempted
from tests.chaos.ledger import Ledger
from tests.chaos.schedule import Kind
from tests.chaos.servers import Broker, SQLite
from tools.databases.database import Database
from tools.process import wait_until

BATCH_ROWS = 30
BATCH_WAIT_SECONDS = 5.0
BATCH_SECONDS = 0.02
COMMIT_WAIT_SECONDS = 10.0
PROBE_SECONDS = 0.01
# One call: rabbitmqctl takes seconds to start. The alarm ends by itself.
ALARM = (
    "vm_memory_monitor:set_vm_memory_high_watermark(0.00001), timer:sleep({milliseconds}), "
    "vm_memory_monitor:set_vm_memory_high_watermark(0.4)."
)


class PublisherFaults(Faults):
    def __init__(self, broker: Broker, database: Database | SQLite, crew: Crew, random: Random, ledger: Ledger) -> None:
        super().__init__(broker, database, crew, random)
        self.ledger = ledger
        self._writer_kills = count()
        self.doings = {
            **self.doings,
            Kind.RELAY_KILLED: self._kill_relay,
            Kind.WRITER_KILLED: self._kill_writer,
            Kind.MEMORY_ALARM: self._alarm,
            Kind.HALF_OPEN: self._hang,
            Kind.RELAY_FROZEN: self._freeze_relay,
        }

    def backlog(self) -> int:
        return self.ledger.backlog() or 0

    def wait_for_work(self) -> None:
        """A batch waits; a moment in the middle of it."""
        wait_until(self._is_busy, timeout_seconds=BATCH_WAIT_SECONDS, every_seconds=0.002)
        time.sleep(self.random.uniform(0, BATCH_SECONDS))

    def wait_for_progress(self, timeout_seconds: float) -> None:
        """An event that waited, or waits by now, has left the outbox, which its confirm alone lets it."""
        before = frozenset[int]()

        def is_confirmed() -> bool:
            nonlocal before
            waiting = self.ledger.waiting()
            gone, before = before - waiting, before | waiting
            return bool(gone)

        wait_until(is_confirmed, timeout_seconds=timeout_seconds, every_seconds=0.01)

    def _is_busy(self) -> bool:
        return self.backlog() >= BATCH_ROWS

    def _kill_relay(self, _: float) -> int:
        self.crew.kill(self._stopped_mid_batch())
        self.crew.start("relay")
        return self.backlog()

    def _kill_writer(self, _: float) -> int:
        """Every other one between its COMMIT and whatever it does next."""
        after_commit = next(self._writer_kills) % 2 == 0
        self.crew.kill(self._stopped_after_commit() if after_commit else self._any_writer())
        self.crew.start("writer")
        return self.backlog()

    def _alarm(self, seconds: float) -> int:
        most = 0
        with ThreadPoolExecutor(1) as thread:
            alarm = thread.submit(self.broker.ctl, "eval", ALARM.format(milliseconds=int(seconds * 1000)))
            while not alarm.done():
                most = max(most, self.backlog())
                time.sleep(0.1)
        alarm.result()
        return most

    def _hang(self, seconds: float) -> int:
        """Packets are taken, and nobody answers: no reset tells the client."""
        self.broker.pause()
        time.sleep(seconds)
        backlog = self.backlog()
        self.broker.resume()
        wait_until(self.broker.answers, timeout_seconds=RECOVERY_SECONDS)
        return backlog

    def _freeze_relay(self, seconds: float) -> int:
        relay = self._stopped_mid_batch()
        backlog = self.backlog()
        time.sleep(seconds)
        relay.send(signal.SIGCONT)
        return backlog

    def _any_writer(self) -> Member:
        return self.random.choice(self.crew.running("writer"))

    def _stopped_after_commit(self) -> Member:
        """A writer, stopped before it has heard that its transaction committed; after a while, stopped anywhere."""
        deadline = time.monotonic() + COMMIT_WAIT_SECONDS
        while True:
            writer = self._any_writer()
            writer.send(signal.SIGSTOP)
            label = last_attempted(self.crew.folder / f"{writer.name}.journal")
            if (label and self.ledger.has(label)) or time.monotonic() > deadline:
                return writer
            writer.send(signal.SIGCONT)
            time.sleep(PROBE_SECONDS)

    def _stopped_mid_batch(self) -> Member:
        """The relay at work, stopped while what it sent is still in the outbox; after a while, stopped anywhere."""
        deadline = time.monotonic() + BATCH_WAIT_SECONDS
        while True:
            self.wait_for_work()
            relay = self._relay_at_work()
            relay.send(signal.SIGSTOP)
            if self.backlog() >= BATCH_ROWS // 3 or time.monotonic() > deadline:
                return relay
            relay.send(signal.SIGCONT)

    def _relay_at_work(self) -> Member:
        """The one that has the lease, or any when nobody of ours has."""
        running, pid = self.crew.running("relay"), self.ledger.relay_pid()
        return next((relay for relay in running if relay.pid == pid), running[0])
