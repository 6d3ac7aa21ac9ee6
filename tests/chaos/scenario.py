"""What a run is about: which processes, which faults, and what is promised of them."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import ClassVar

from tests.chaos.crew import Crew, Role
from tests.chaos.faults import Faults, Occurrence
from tests.chaos.ledger import Ledger
from tests.chaos.result import Findings
from tests.chaos.schedule import SHARED_ROWS, Plan
from tests.chaos.servers import Broker, database

QUIET_SECONDS = 1.5
# Longer than a circuit breaker's pause.
STALLED_SECONDS = 60.0
LOOK_SECONDS = 0.2


class Scenario(ABC):
    """Writers that save to a database, a relay, and whoever takes what it publishes.

    `servers` keeps what the scenario starts beside the broker: a database, of the kind that is named, or two. Raises
    services.Unavailable where that cannot be had.
    """

    name: ClassVar[str]
    plans: ClassVar[Mapping[str, Plan]]
    # What arrives.
    things: ClassVar[str]
    faults: Faults

    def __init__(self, folder: Path, plan: Plan, broker: Broker, kind: str, random: Random, servers: ExitStack) -> None:
        self.folder = folder
        self.plan = plan
        self.broker = broker
        self.random = random
        self.servers = servers
        self.database = servers.enter_context(database(kind, folder / "database"))
        self.ledger = Ledger(self.database.url)
        servers.callback(self.ledger.close)
        self.crew = Crew(folder, self.roles(), self.env)
        servers.callback(self.crew.close)

    @property
    def env(self) -> dict[str, str]:
        return {
            "CHAOS_DATABASE_URL": self.database.url,
            "CHAOS_BROKER_URL": self.broker.url,
            "CHAOS_FOLDER": str(self.folder),
        }

    def roles(self) -> dict[str, Role]:
        return {
            "relay": Role(count=self.plan.relays, command=lambda name: ("manage.py", "relay")),
            "writer": Role(count=self.plan.writers, command=self._writer),
        }

    def _writer(self, name: str) -> Sequence[str]:
        seed, rate = str(self.random.getrandbits(32)), str(self.plan.rate)
        return ("manage.py", "write", name, str(self.folder / f"{name}.journal"), "--seed", seed, "--rate", rate)

    def begin(self) -> None:
        """Tables, queues and processes."""
        self.crew.manage("migrate", "--run-syncdb", "-v0")
        self.ledger.share(SHARED_ROWS)
        self.make_queues()
        self.crew.replace_the_dead()

    def end(self) -> None:
        """The writers first; then all that is on its way arrives; then the others."""
        self.crew.stop("writer")
        self.wait_while_growing(self.arrived, self.is_drained)
        self.wait_while_growing(self.arrived, patience_seconds=QUIET_SECONDS)
        for role in self.crew.roles:
            self.crew.stop(role)

    def wait_while_growing(
        self,
        number: Callable[[], int],
        is_done: Callable[[], bool] = lambda: False,
        patience_seconds: float = STALLED_SECONDS,
    ) -> None:
        """Until it is done, or the number has not grown for so long: a machine may be slow. The dead are replaced."""
        before, grown_at = number(), time.monotonic()
        while not is_done() and time.monotonic() - grown_at < patience_seconds:
            time.sleep(LOOK_SECONDS)
            self.crew.replace_the_dead()
            if (now := number()) > before:
                before, grown_at = now, time.monotonic()

    @abstractmethod
    def make_queues(self) -> None:
        """What has no queue is dropped."""

    @abstractmethod
    def arrived(self) -> int:
        """How many things."""

    @abstractmethod
    def is_drained(self) -> bool:
        """Whether all that was written has arrived, as far as can be told from outside."""

    @abstractmethod
    def findings(self, calm: int, occurrences: Sequence[Occurrence]) -> Findings:
        """The judgement, in the end; `calm` is how many things had arrived before any fault."""
