"""Each kind of crash once or twice, over real processes; `make chaos` has the long runs."""

import os
from random import SystemRandom

import pytest
from rich.console import Console

from tests import services
from tests.chaos.report import tables
from tests.chaos.run import SCENARIOS, run


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_promise_is_kept_when_everything_crashes(name, tmp_path):
    seed = int(os.environ.get("CHAOS_SEED") or SystemRandom().randrange(10**6))
    console = Console(width=100)
    console.print(f"seed {seed}")
    try:
        result = run(name, "short", seed, tmp_path, console)
    except services.Unavailable as exc:
        services.give_up(exc)

    console.print(tables(result))
    assert result.is_clean, f"seed {seed}"
