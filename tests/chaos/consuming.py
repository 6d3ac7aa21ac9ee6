"""The consumers' run, from the signal to its effect: each effect once, whatever happens, and poison harms itself."""

import json
import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

from tests.chaos.consumer_faults import ConsumerFaults
from tests.chaos.crew import GRACE_SECONDS, Member, Role
from tests.chaos.effect_checker import EffectFacts, EffectVerdict, judge_effects
from tests.chaos.effects import Effects
from tests.chaos.faults import Occurrence
from tests.chaos.hostile import HOSTILE
from tests.chaos.journal import Outcome, outcomes
from tests.chaos.names import EFFECT, TRAIL, dead_queue_of, queue_of
from tests.chaos.noting import begun, unfinished
from tests.chaos.plans import CONSUMERS
from tests.chaos.poison import is_deadly, is_poison
from tests.chaos.raw import Raw
from tests.chaos.result import Findings, Line
from tests.chaos.scenario import Scenario
from tests.chaos.schedule import Kind, Plan
from tests.chaos.servers import Broker, database, wait_until_written

HANDLERS = (EFFECT, TRAIL)
NAMES = {hostile.body: hostile.name for hostile in HOSTILE}
THREADS = 4


class Consuming(Scenario):
    """The handlers have a database of their own, which is the one that is harmed."""

    name = "consumers"
    plans = CONSUMERS
    things = "effects"

    def __init__(self, folder: Path, plan: Plan, broker: Broker, kind: str, random: Random, servers: ExitStack) -> None:
        self.handlers_database = servers.enter_context(database(kind, folder / "handlers"))
        self.effects = Effects(self.handlers_database.url)
        servers.callback(self.effects.close)
        super().__init__(folder, plan, broker, kind, random, servers)
        self.faults = ConsumerFaults(self.broker, self.handlers_database, self.crew, self.random, self.effects)

    @property
    def _handlers_env(self) -> dict[str, str]:
        return {"CHAOS_DATABASE_URL": self.handlers_database.url}

    def roles(self) -> dict[str, Role]:
        return {
            **super().roles(),
            "consumer": Role(count=self.plan.consumers, command=_consumer, env=self._handlers_env),
        }

    def make_queues(self) -> None:
        (self.folder / "flaky").mkdir()
        self.crew.manage("migrate", "--run-syncdb", "-v0", **self._handlers_env)
        self.crew.manage("topology", "--declare", **self._handlers_env)
        wait_until_written(self.broker, *map(queue_of, HANDLERS), *map(dead_queue_of, HANDLERS))

    def arrived(self) -> int:
        return self.effects.count()

    def is_drained(self) -> bool:
        """All effects are there that can be, and all dead letters: the latter are counted, not looked at."""
        if self.ledger.backlog() != 0:
            return False
        labels = [label for labels in self.ledger.history().values() for label in labels]
        poison = sum(map(is_poison, labels))
        if self.effects.count() < len(HANDLERS) * (len(labels) - poison):
            return False
        with Raw(self.broker.url) as raw:
            return all(raw.count(dead_queue_of(handler)) >= poison + self._hostile for handler in HANDLERS)

    @property
    def _hostile(self) -> int:
        return self.plan.faults.get(Kind.HOSTILE_SENT, 0)

    def findings(self, calm: int, occurrences: Sequence[Occurrence]) -> Findings:
        history = self.ledger.history()
        with Raw(self.broker.url) as raw:
            left = sum(map(raw.count, map(queue_of, HANDLERS)))
            letters = {handler: list(map(name_of, raw.take(dead_queue_of(handler)))) for handler in HANDLERS}
        verdict = judge_effects(
            EffectFacts(
                history=history,
                effects=self.effects.all(),
                trails=self.effects.trails(),
                ordered=TRAIL,
                letters=letters,
                hostile=frozenset(hostile.name for hostile in HOSTILE[: self._hostile]),
                is_poison=is_poison,
            )
        )
        died = list(self.crew.died(self._is_killed_by_poison))
        committed = sum(map(len, history.values()))
        return Findings(
            counts=self._counts(committed, letters),
            lines=[
                *_lines(verdict, most_twice=_kills(occurrences)),
                Line(what="left in the queues", number=left),
                Line(what="fewer than planned", number=max(self.plan.events - committed, 0)),
                Line(what="processes that died by themselves", number=len(died)),
                Line(what="seconds to end when asked", number=self._slowest_end, most=GRACE_SECONDS),
            ],
            accused={**_accused(verdict), "died": died},
        )

    def _is_killed_by_poison(self, member: Member) -> bool:
        if member.role != "consumer" or member.process.returncode != -signal.SIGKILL:
            return False
        return any(is_deadly(label) for _, label in unfinished(self.folder, member.name))

    @property
    def _slowest_end(self) -> float:
        return round(max(self.faults.ends_seconds, default=0.0), 1)

    def _counts(self, committed: int, letters: Mapping[str, Sequence[str]]) -> Mapping[str, int]:
        notes = outcomes(self.crew.journals)
        began = begun(self.folder)
        consumers = [member for member in self.crew.members if member.role == "consumer"]
        return {
            "attempted": notes[Outcome.ATTEMPTED],
            "committed": committed,
            "rolled back": notes[Outcome.ROLLED_BACK],
            "effects": self.effects.count(),
            "handlers begun": began.total(),
            "begun again": (began - Counter(dict.fromkeys(began, 1))).total(),
            "cut short by the end of their process": sum(
                unfinished(self.folder, member.name).total() for member in consumers
            ),
            "dead letters": sum(map(len, letters.values())),
            "consumer processes": len(consumers),
            "killed by poison": sum(map(self._is_killed_by_poison, consumers)),
        }


def _consumer(name: str) -> Sequence[str]:
    return ("manage.py", "consume", "--threads", str(THREADS), "--grace", str(GRACE_SECONDS / 2))


def name_of(body: bytes) -> str:
    """Of a dead letter: the hostile message that it is, byte for byte, or the save that it tells of."""
    if body in NAMES:
        return NAMES[body]
    try:
        return str(json.loads(body)["data"]["kwargs"]["instance"]["fields"]["label"])
    except (ValueError, LookupError, TypeError):
        return f"unknown: {body[:60]!r}"


def _kills(occurrences: Sequence[Occurrence]) -> int:
    """Each may fall between the copy among the dead letters and the acknowledgement of what it is a copy of."""
    return sum(each.kind in (Kind.CONSUMER_KILLED, Kind.BROKER_KILLED) for each in occurrences)


def _lines(verdict: EffectVerdict, *, most_twice: int) -> Iterator[Line]:
    yield Line(what="lost effects", number=len(verdict.lost))
    yield Line(what="double effects", number=len(verdict.doubled))
    yield Line(what="effects of rolled-back writes", number=len(verdict.invented))
    yield Line(what="effects of handlers that failed", number=len(verdict.half_done))
    yield Line(what="ordered: out of order within their key", number=len(verdict.inverted))
    yield Line(what="ordered: two of a key at a time", number=len(verdict.at_once))
    yield Line(what="good messages in the dead letters", number=len(verdict.letters_wrong))
    yield Line(what="poison or hostile, not in the dead letters", number=len(verdict.letters_missing))
    yield Line(what="the same dead letter twice", number=len(verdict.letters_twice), most=most_twice)


def _accused(verdict: EffectVerdict) -> Mapping[str, Sequence[str]]:
    return {
        "lost": verdict.lost,
        "double": verdict.doubled,
        "rolled back": verdict.invented,
        "failed": verdict.half_done,
        "out of order": verdict.inverted,
        "at a time": verdict.at_once,
        "good, in the dead letters": verdict.letters_wrong,
        "not in the dead letters": verdict.letters_missing,
    }
