"""The schedule of faults."""

from collections import Counter

import pytest

from tests.chaos.hostile import HOSTILE
from tests.chaos.plans import CONSUMERS, PUBLISHER
from tests.chaos.schedule import AT_ONCE, Kind, schedule

FULL = PUBLISHER["full"]


def test_schedule_is_the_same_when_the_seed_is():
    assert schedule(FULL, 1) == schedule(FULL, 1) != schedule(FULL, 2)


def test_schedule_has_what_the_plan_asks_for():
    assert Counter(fault.kind for fault in schedule(FULL, 3)) == Counter(FULL.faults)


def test_full_plan_has_the_faults_that_are_promised():
    killed = FULL.faults

    assert FULL.events >= 20_000
    assert killed[Kind.BROKER_KILLED] >= 10
    assert killed[Kind.RELAY_KILLED] >= 20
    assert killed[Kind.WRITER_KILLED] >= 10
    assert killed[Kind.DATABASE_RESTARTED] + killed[Kind.DATABASE_KILLED] >= 3


def test_consumers_have_the_faults_that_are_promised():
    plan = CONSUMERS["full"]

    assert plan.events >= 20_000
    assert plan.faults[Kind.CONSUMER_KILLED] >= 20
    assert plan.faults[Kind.CONSUMER_ENDED] >= 50
    assert plan.faults[Kind.BROKER_KILLED] >= 10
    assert plan.faults[Kind.DATABASE_RESTARTED] + plan.faults[Kind.DATABASE_KILLED] >= 3
    assert plan.faults[Kind.HOSTILE_SENT] == len(HOSTILE)


@pytest.mark.parametrize("plans", [PUBLISHER, CONSUMERS])
def test_nobody_skips_recovery_in_the_short_plan(plans):
    overlapping = {fault.kind for fault in schedule(plans["short"], 1) if fault.overlaps}

    assert overlapping <= AT_ONCE
