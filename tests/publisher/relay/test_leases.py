"""Who relays: one at a time, whoever dies, freezes or ends."""

import json
import signal
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils.timezone import now

from publisher.models import RelayLease
from publisher.outbox.ledger import ledger
from publisher.relay.leases import LEASE_SECONDS, STANDBY_SECONDS, Leases
from tests.stage import eventually

SAVE = "from tests.foo.models import Article\nfor n in range({count}): Article.objects.create(title=str(n))"
ENGINES = pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])


def start_relay(stage, **env):
    relay = stage.start("relay", **env)
    eventually(lambda: "lease held" in relay.log.read_text() or "standing by" in relay.log.read_text())
    return relay


def holds(relay):
    return relay.log.read_text().count("lease held")


@ENGINES
def test_standby_takes_over_when_the_relay_is_killed(stage, queues):
    queues.bind("q", "#")
    first, second = start_relay(stage), start_relay(stage)
    assert (holds(first), holds(second)) == (1, 0)
    first.kill()
    died = time.monotonic()
    eventually(lambda: holds(second))
    assert time.monotonic() - died < 10
    stage.python(SAVE.format(count=1))
    eventually(lambda: queues.count("q") == 1)
    queues.delete("q")


@ENGINES
def test_standby_takes_over_at_once_when_the_relay_ends(stage):
    first, second = start_relay(stage), start_relay(stage)
    first.send_signal(signal.SIGTERM)
    assert first.wait(10) == 0
    eventually(lambda: holds(second), seconds=STANDBY_SECONDS + 1.5)


def test_frozen_relay_stops_publishing_when_it_wakes_without_its_lease(stage, queues):
    queues.bind("q", "#")
    first, second = start_relay(stage), start_relay(stage)
    first.send_signal(signal.SIGSTOP)
    eventually(lambda: holds(second), seconds=LEASE_SECONDS + 5)
    first.send_signal(signal.SIGCONT)
    eventually(lambda: "lease lost" in first.log.read_text() or "standing by" in first.log.read_text())
    stage.python(SAVE.format(count=20))
    eventually(lambda: queues.count("q") >= 20 and stage.outbox() == 0)
    assert queues.count("q") == 20
    queues.delete("q")


class Clock:
    """The process's own, which goes on while the process is frozen."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr("publisher.relay.leases.time", SimpleNamespace(monotonic=lambda: self.now))


def freezing(clock, seconds, *, times, taken_by=None):
    """Wraps the database: so often, the process stops just after it was told that the lease is its own."""
    left = [times]

    def execute(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.startswith("UPDATE") and left[0]:
            left[0] -= 1
            clock.now += seconds
            if taken_by:
                RelayLease.objects.update(holder=taken_by)
        return result

    return connection.execute_wrapper(execute)


@pytest.mark.django_db
@pytest.mark.parametrize(("taken_by", "has"), [("another", False), (None, True)])
def test_database_is_asked_once_more_when_a_renewal_outlasted_the_lease(monkeypatch, taken_by, has):
    clock, leases = Clock(monkeypatch), Leases("default", 1)
    leases.renew()
    mine = leases.mine
    clock.now += LEASE_SECONDS
    with freezing(clock, 8, times=1, taken_by=taken_by):
        assert leases.has(mine) is has
    assert bool(leases.held) is has


@pytest.mark.django_db
def test_nothing_is_certain_when_each_renewal_takes_as_long_as_the_lease(monkeypatch):
    clock, leases = Clock(monkeypatch), Leases("default", 1)
    leases.renew()
    clock.now += LEASE_SECONDS
    with freezing(clock, LEASE_SECONDS, times=9):
        assert not leases.has(leases.mine)
    assert leases.has(leases.mine)


@pytest.mark.django_db
@pytest.mark.parametrize("shards", [1, 1024])
def test_lease_is_renewed_in_few_queries_however_many_shards_there_are(shards, django_assert_max_num_queries):
    leases = Leases("default", shards)
    leases.renew()
    assert leases.held == frozenset(range(shards))
    with django_assert_max_num_queries(5):
        leases.renew(rate=7.0)
    assert leases.held == frozenset(range(shards))
    assert set(RelayLease.objects.values_list("shards", "rate")) == {(shards, 7.0)}


@pytest.mark.django_db
def test_shard_that_is_handed_over_is_the_claimants_and_what_has_expired_anybodys():
    first, second, third = (Leases("default", 4) for _ in range(3))
    for relay in (first, second, third):
        relay.renew()
    (claimed, another) = sorted(first.claimed())
    first.hand_over([claimed, another])
    for relay in (first, third, second):
        relay.renew()
    assert len(first.held) == 2
    assert {frozenset(second.held), frozenset(third.held)} == {frozenset([claimed]), frozenset([another])}
    RelayLease.objects.filter(holder=first.holder).update(expires_at=now() - timedelta(seconds=1))
    second.renew()
    first.renew()
    assert (len(first.held), len(second.held)) == (0, 3)


@pytest.mark.django_db
@pytest.mark.parametrize(("first", "second"), [(1, 4), (4, 1)])
def test_two_that_divide_the_outbox_otherwise_do_not_both_take_of_it_when_they_look_at_the_same_moment(first, second):
    first, second = Leases("default", first), Leases("default", second)
    first._rows.make(4)
    waiting = [second]

    def execute(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.startswith("SELECT") and "LIMIT 1" in sql and waiting:
            waiting.pop().renew()
        return result

    with connection.execute_wrapper(execute):
        first.renew()
    assert (bool(first.held), bool(second.held)) == (False, True)
    second.give_up()
    first.renew()
    assert len(first.held) == first.shards


@pytest.mark.django_db
def test_standby_that_ends_leaves_no_claim():
    first, second = Leases("default", 2), Leases("default", 2)
    first.renew()
    second.renew()
    assert first.claimed()
    second.give_up()
    assert not first.claimed()


@pytest.mark.django_db
def test_shards_that_there_were_before_are_not_listed_once_a_relay_has_fewer():
    before = Leases("default", 4)
    before.renew()
    before.give_up()
    assert [lease.shard for lease in ledger("default").leases] == [0, 1, 2, 3]
    Leases("default", 2).renew()
    assert [(lease.shard, lease.shards) for lease in ledger("default").leases] == [(0, 2), (1, 2)]


@pytest.mark.django_db
def test_relay_that_divides_the_outbox_otherwise_asks_for_no_shard():
    """It would be given up for it, and it could not take it."""
    working, waiting = Leases("default", 4), Leases("default", 2)
    working.renew()
    waiting.renew()
    assert (len(working.held), waiting.held, working.claimed()) == (4, frozenset(), frozenset())
    third = Leases("default", 4)
    third.renew()
    assert len(working.claimed()) == 1


def test_shards_are_shared_when_relays_come_and_go(stage, queues):
    queues.bind("q", "#")
    env = {"TEST_SHARDS": "4"}
    first = start_relay(stage, **env)
    assert shares(stage, env) == [4]
    second = start_relay(stage, **env)
    eventually(lambda: len(shares(stage, env)) == 2)
    stage.python(SAVE.format(count=50), **env)
    eventually(lambda: queues.count("q") == 50)
    first.kill()
    eventually(lambda: shares(stage, env) == [4])
    second.send_signal(signal.SIGTERM)
    assert second.wait(10) == 0
    assert shares(stage, env) == []
    queues.delete("q")


def shares(stage, env):
    """How many shards each relay has."""
    leases = json.loads(stage.manage("outbox", "--format", "json", **env).stdout)["leases"]
    holders = [lease["holder"] for lease in leases if lease["holder"]]
    return sorted(holders.count(holder) for holder in set(holders))
