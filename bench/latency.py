"""How long after COMMIT an event is in a consumer's hands, at a steady rate, beside publishing after COMMIT."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles

from bench.broker import Broker
from bench.figures import Bar, Figure, at_most, compared
from bench.processes import ROOT
from bench.progress import steps
from bench.run import Run

NAME = "latency"
PER_SECOND = 200
# Not counted: processes and caches warm up.
WARM_UP = 2 * PER_SECOND
RELAY = "relay"
PEERS = {"pika": "pika straight after COMMIT", "celery": "Celery's delay_on_commit"}
BARS: dict[tuple[str, str], Bar] = {("p50", "pika"): at_most(2)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """In milliseconds."""

    p50: float
    p99: float


def run(run: Run) -> list[Figure]:
    rounds, events = run.size(3, 2), WARM_UP + run.size(10, 3) * PER_SECOND
    delays: dict[str, list[Delays]] = {way: [] for way in (RELAY, *PEERS)}
    with Broker(run.servers) as broker, steps("Latency", rounds * len(delays)) as begin:
        for _ in range(rounds):
            for way, measured in delays.items():
                begin(PEERS.get(way, way))
                measured.append(_delays(run, broker, way, events))
    return [_figure(delays, peer, percentile) for percentile in ("p50", "p99") for peer in PEERS]


def _delays(run: Run, broker: Broker, way: str, events: int) -> Delays:
    broker.fresh_queue()
    run.measure("bench.events:fill_outbox", count=0)
    with _relay(run, is_needed=way == RELAY):
        consumer = run.start("bench.consuming:arrivals", queue=run.servers.queue, count=events)
        try:
            written = run.measure(
                "bench.writing:commits", way=way, queue=run.servers.queue, count=events, per_second=PER_SECOND
            )
            arrived = consumer.result()
        finally:
            consumer.end()
    return percentiles([arrived[number] - at for number, at in written.items() if int(number) > WARM_UP])


@contextmanager
def _relay(run: Run, *, is_needed: bool) -> Iterator[None]:
    """The command itself, as it runs in production."""
    if not is_needed:
        yield
        return
    process = subprocess.Popen([sys.executable, "manage.py", "relay"], cwd=ROOT, env=run.servers.environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def percentiles(seconds: list[float]) -> Delays:
    cuts = quantiles(seconds, n=100)
    return Delays(p50=cuts[49] * 1000, p99=cuts[98] * 1000)


def _figure(delays: dict[str, list[Delays]], peer: str, percentile: str) -> Figure:
    mine = [getattr(each, percentile) for each in delays[RELAY]]
    theirs = [getattr(each, percentile) for each in delays[peer]]
    name = f"COMMIT to consumer at {PER_SECOND}/s, {percentile}"
    return compared(NAME, name, mine, PEERS[peer], theirs, unit="ms", bar=BARS.get((percentile, peer)))
