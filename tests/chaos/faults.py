"""The faults that both runs have: what is done, how it is mended, and how long it takes to go on."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from random import Random

import psutil

from tests.chaos.crew import Crew
from tests.chaos.schedule import Fault, Kind
from tests.chaos.servers import Broker, SQLite
from tools.databases.database import Database
from tools.process import wait_until

STALL_SECONDS = (0.3, 1.0)
WORK_SECONDS = 5.0
REAPED_SECONDS = 10.0
RECOVERY_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """`backlog` is what waited when the fault was mended, or when a process was stopped.

    `recovery_seconds` go from there until the work went on; None where nobody waited for it.
    """

    kind: Kind
    backlog: int
    recovery_seconds: float | None


class Faults(ABC):
    """Each fault returns how much waited when it was mended. `doings` are those that there can be."""

    def __init__(self, broker: Broker, database: Database | SQLite, crew: Crew, random: Random) -> None:
        self.broker = broker
        self.crew = crew
        self.random = random
        self._broker_kills = count()
        self.doings: Mapping[Kind, Callable[[float], int]] = {
            Kind.BROKER_KILLED: self._kill_broker,
        }
        if isinstance(database, Database):
            self.doings = {
                **self.doings,
                Kind.DATABASE_RESTARTED: partial(self._restart_database, database),
                Kind.DATABASE_KILLED: partial(self._kill_database, database),
            }

    @abstractmethod
    def backlog(self) -> int:
        """How much waits."""

    @abstractmethod
    def wait_for_work(self) -> None:
        """Returns in the middle of some, or after a while."""

    @abstractmethod
    def wait_for_progress(self, timeout_seconds: float) -> None:
        """Returns once something is done."""

    def happen(self, fault: Fault) -> Occurrence:
        """One fault, from its cause to the first work done after it."""
        time.sleep(fault.calm_seconds)
        self.crew.replace_the_dead()
        backlog = self.doings[fault.kind](fault.lasts_seconds)
        mended_at = time.monotonic()
        if fault.overlaps:
            return Occurrence(kind=fault.kind, backlog=backlog, recovery_seconds=None)
        self.wait_for_progress(RECOVERY_SECONDS)
        return Occurrence(kind=fault.kind, backlog=backlog, recovery_seconds=time.monotonic() - mended_at)

    def _kill_broker(self, seconds: float) -> int:
        """Every other time it stalls first: what is done meanwhile, it never hears of."""
        if next(self._broker_kills) % 2 == 0:
            self._stall_mid_work()
            time.sleep(self.random.uniform(*STALL_SECONDS))
        else:
            self.wait_for_work()
        self.broker.kill()
        time.sleep(seconds)
        self.broker.ensure()
        return self.backlog()

    def _stall_mid_work(self) -> None:
        """Stopped while there is work; after a while, anywhere."""
        deadline = time.monotonic() + WORK_SECONDS
        while True:
            self.wait_for_work()
            self.broker.pause()
            if self.backlog() or time.monotonic() > deadline:
                return
            self.broker.resume()

    def _restart_database(self, database: Database, seconds: float) -> int:
        database.stop()
        time.sleep(seconds)
        database.ensure()
        return self.backlog()

    def _kill_database(self, database: Database, seconds: float) -> int:
        process = database.process
        database.kill()
        if process:
            # PostgreSQL takes a pid that nobody has collected yet for a server that runs.
            wait_until(lambda: not psutil.pid_exists(process.pid), timeout_seconds=REAPED_SECONDS)
        time.sleep(seconds)
        database.ensure()
        return self.backlog()
