"""One run: servers, processes, faults, and the judgement."""

import time
from contextlib import ExitStack
from pathlib import Path
from random import Random

from rich.console import Console

from tests.chaos.board import Board
from tests.chaos.consuming import Consuming
from tests.chaos.faults import Occurrence
from tests.chaos.publishing import Publishing
from tests.chaos.raw import Raw
from tests.chaos.result import Result
from tests.chaos.scenario import Scenario
from tests.chaos.schedule import schedule
from tests.chaos.servers import broker
from tools.process import wait_until

SCENARIOS: dict[str, type[Scenario]] = {scenario.name: scenario for scenario in (Publishing, Consuming)}
CALM_THINGS = 200
CALM_SECONDS = 10.0


def run(
    name: str, size: str, seed: int, folder: Path, console: Console, *, on: str = "node", database: str = "postgres"
) -> Result:
    """Raises services.Unavailable where a server cannot be had. What the processes wrote stays in `folder`."""
    began = time.monotonic()
    kind = SCENARIOS[name]
    with ExitStack() as servers:
        own = servers.enter_context(broker(on, folder / "rabbitmq"))
        with Raw(own.url) as raw:
            version = raw.version
        scenario = kind(folder, kind.plans[size], own, database, Random(seed), servers)
        scenario.begin()
        calm, occurrences = _suffer(scenario, seed, console)
        return Result(
            scenario=name,
            servers=f"RabbitMQ {version}, {scenario.database.name}",
            seed=seed,
            seconds=time.monotonic() - began,
            occurrences=occurrences,
            findings=scenario.findings(calm, occurrences),
        )


def _suffer(scenario: Scenario, seed: int, console: Console) -> tuple[int, list[Occurrence]]:
    """Calm, all faults, as many events as there have to be, and quiet. How much came in the calm; what happened."""
    plan = scenario.plan
    expected = [fault for fault in schedule(plan, seed) if fault.kind in scenario.faults.doings]
    board = Board(console, scenario.crew, len(expected), scenario.things, scenario.arrived)
    occurrences = []
    with board.shown():
        wait_until(lambda: scenario.arrived() >= CALM_THINGS, timeout_seconds=CALM_SECONDS)
        calm = scenario.arrived()
        for fault in expected:
            board.doing = fault.kind.value
            occurrences.append(scenario.faults.happen(fault))
            board.tell(occurrences[-1])
        board.doing = "more events"
        scenario.wait_while_growing(lambda: board.committed, lambda: board.committed >= plan.events)
        board.doing = "the rest"
        scenario.end()
    return calm, occurrences
