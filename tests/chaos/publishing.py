"""The publisher's run: what commits arrives on the exchange, in order, and nothing else does."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

from publisher.wire.sender import WINDOW
from tests.chaos.checker import Verdict, judge
from tests.chaos.crew import Role
from tests.chaos.evidence import facts
from tests.chaos.faults import Occurrence
from tests.chaos.journal import Tail
from tests.chaos.names import RECORDER
from tests.chaos.plans import PUBLISHER
from tests.chaos.publisher_faults import PublisherFaults
from tests.chaos.recorder import deliveries
from tests.chaos.result import Findings, Line, recoveries
from tests.chaos.scenario import Scenario
from tests.chaos.schedule import Kind, Plan
from tests.chaos.servers import Broker, wait_until_written
from tools.process import wait_until

TAKEOVER_SECONDS = 10.0
NOTHING_YET_SECONDS = 20.0
# What may have left the outbox between the end of a fault and the count.
MOMENT_ROWS = 100
# A fault that cost the relay, or its connection, what was on its way.
COSTLY = frozenset(Kind) - {Kind.WRITER_KILLED, Kind.MEMORY_ALARM}


class Publishing(Scenario):
    name = "publisher"
    plans = PUBLISHER
    things = "messages"

    def __init__(self, folder: Path, plan: Plan, broker: Broker, kind: str, random: Random, servers: ExitStack) -> None:
        super().__init__(folder, plan, broker, kind, random, servers)
        self.faults = PublisherFaults(self.broker, self.database, self.crew, self.random, self.ledger)
        self.recorded = self.folder / "recorded"
        self._tail = Tail(self.recorded, b"[")

    def roles(self) -> dict[str, Role]:
        command = ("-m", "tests.chaos.recorder", self.broker.url, str(self.folder / "recorded"))
        return {**super().roles(), "recorder": Role(count=1, command=lambda name: command)}

    def make_queues(self) -> None:
        recorder = self.crew.start("recorder")
        if not wait_until(self.recorded.exists, timeout_seconds=NOTHING_YET_SECONDS):
            raise RuntimeError(f"the recorder does not begin:\n{recorder.log.read_text()}")
        wait_until_written(self.broker, RECORDER)

    def arrived(self) -> int:
        return self._tail.read()

    def is_drained(self) -> bool:
        return self.ledger.backlog() == 0

    def findings(self, calm: int, occurrences: Sequence[Occurrence]) -> Findings:
        verdict = judge(facts(self.crew.journals, self.ledger.history(), deliveries(self.recorded), calm))
        died = list(self.crew.died())
        return Findings(
            counts=_counts(verdict),
            lines=[
                *_lines(verdict, self.plan.events, occurrences),
                *self._lines(len(died)),
            ],
            accused={**_accused(verdict), "died": died},
        )

    def _lines(self, died: int) -> Iterator[Line]:
        yield Line(what="left in the outbox", number=self.ledger.backlog() or 0)
        yield Line(what="parked", number=self.ledger.parked())
        yield Line(what="dropped as unroutable", number=self.ledger.unroutable())
        yield Line(what="processes that died by themselves", number=died)


def at_stake(occurrences: Sequence[Occurrence]) -> int:
    """What may have been on its way in all faults: what waited, and never more than the window."""
    return sum(min(each.backlog + MOMENT_ROWS, WINDOW) for each in occurrences if each.kind in COSTLY)


def takeover_seconds(occurrences: Sequence[Occurrence]) -> float:
    """The longest there was."""
    return max(recoveries([each for each in occurrences if each.kind is Kind.RELAY_KILLED]), default=0.0)


def _lines(verdict: Verdict, planned: int, occurrences: Sequence[Occurrence]) -> Iterator[Line]:
    yield Line(what="lost: committed, not delivered", number=len(verdict.lost))
    yield Line(what="invented: rolled back, delivered", number=len(verdict.invented))
    yield Line(what="out of order within their key", number=len(verdict.inverted))
    yield Line(what="two events of one save", number=len(verdict.doubled))
    yield Line(what="database and writers disagree", number=len(verdict.misremembered))
    yield Line(what="fewer than planned", number=max(planned - verdict.delivered, 0))
    yield Line(what="published again before any fault", number=verdict.calm_duplicates)
    yield Line(what="published again, of what was on its way", number=verdict.duplicates, most=at_stake(occurrences))
    yield Line(what="seconds until a standby took over", number=takeover_seconds(occurrences), most=TAKEOVER_SECONDS)


def _counts(verdict: Verdict) -> Mapping[str, int]:
    return {
        "attempted": verdict.attempted,
        "committed": verdict.committed,
        "rolled back": verdict.rolled_back,
        "outcome unknown to the writer": verdict.unknown,
        "of these committed": verdict.unknown_committed,
        "delivered": verdict.delivered,
        "published again": verdict.duplicates,
        "redelivered by the broker": verdict.redelivered,
    }


def _accused(verdict: Verdict) -> Mapping[str, Sequence[str]]:
    return {
        "lost": verdict.lost,
        "invented": verdict.invented,
        "out of order": verdict.inverted,
        "two events of one save": verdict.doubled,
        "database and writers disagree": verdict.misremembered,
    }
