"""How long a run waits for what is on its way."""

import time
from itertools import chain, repeat
from types import SimpleNamespace

import pytest

from tests.chaos import scenario
from tests.chaos.scenario import Scenario

PATIENCE_SECONDS = 0.2


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(scenario, "LOOK_SECONDS", PATIENCE_SECONDS / 4)
    replaced = []
    return SimpleNamespace(
        crew=SimpleNamespace(replace_the_dead=lambda: replaced.append(time.monotonic())), at=replaced
    )


def test_wait_lasts_as_long_as_something_arrives_and_the_dead_are_replaced_meanwhile(run):
    numbers = chain(range(10), repeat(9))

    Scenario.wait_while_growing(run, lambda: next(numbers), patience_seconds=PATIENCE_SECONDS)

    assert run.at[-1] - run.at[0] > 2 * PATIENCE_SECONDS


def test_wait_ends_when_it_is_done(run):
    Scenario.wait_while_growing(run, lambda: 0, lambda: len(run.at) == 2, patience_seconds=5)

    assert len(run.at) == 2
