"""How fast a worker handles what waits in its queue, beside others that are started as their users start them.

And how much memory it takes meanwhile, and how soon it goes on after a restart of the broker.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.broker import Broker
from bench.figures import Bar, Figure, at_least, compared, within
from bench.processes import ROOT, Failed
from bench.progress import say, steps
from bench.run import Run
from bench.workers.tally import Tally
from tools.broker.node import Node

NAME = "consumers"
EVENTS = 50_000
ROUNDS = 5
RESTARTS = 3
SILENCE_SECONDS = 60.0
LOOK_SECONDS = 0.02
MIB = 1024 * 1024
LIMIT_MIB = 120
LIMIT_SECONDS = 5
BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """`command` is what its users type; `filling` puts `share` of the events into `queue` (empty: the run's)."""

    name: str
    command: Sequence[str]
    filling: str
    options: dict[str, str]
    share: float = 1.0
    queue: str = ""
    bar: Bar | None = None


def ours(handler: str, name: str, *more: str) -> Contender:
    command = [sys.executable, "manage.py", "consume", handler, *more]
    return Contender(
        name=name, command=command, filling="handlers", options={"handler": handler}, queue=f"bench.{handler}"
    )


def celery(task: str, share: float, bar: Bar, processes: int = 2) -> Contender:
    return Contender(
        name=f"Celery, {processes} processes",
        command=[str(BIN / "celery"), "--app", "bench.workers.celery_app", "worker", "--concurrency", str(processes)],
        filling="celery",
        options={"task": task},
        share=share,
        bar=bar,
    )


def module(name: str, words: str, share: float = 1.0, bar: Bar | None = None) -> Contender:
    command = [sys.executable, "-m", f"bench.workers.{name}"]
    return Contender(name=words, command=command, filling="exchange", options={}, share=share, bar=bar)


NOOP = ours("noop", "consume")
NOOP_PEERS = (
    module("raw_pika", "pika select, acks coalesced", bar=at_least(0.7)),
    module("pika_blocking", "pika blocking, ack each", share=0.4),
    celery("noop", share=0.06, bar=at_least(7)),
    Contender(
        name="Dramatiq, 8 threads",
        command=[str(BIN / "dramatiq"), "bench.workers.dramatiq_app", "--processes", "1", "--threads", "8"],
        filling="dramatiq",
        options={},
        share=0.15,
        bar=at_least(4),
    ),
    module("faststream_app", "FastStream", share=0.15, bar=at_least(4)),
)
WRITE = ours("write", "consume, 8 threads", "--threads", "8")
WRITE_PEERS = (
    celery("write", share=0.3, bar=at_least(1.5)),
    celery("write", share=0.3, bar=at_least(1.5), processes=8),
)


class Rates(dict[str, list[float]]):
    """Events a second by contender, round by round; `mib` is the most memory that ours had."""

    mib = 0.0


def run(run: Run) -> list[Figure]:
    rounds, events = run.size(ROUNDS, 3), run.size(EVENTS, EVENTS // 2)
    noop, figures = _compared(run, "no-op handler", rounds, events, NOOP, NOOP_PEERS)
    _, written = _compared(run, "handler with inbox that writes a row", rounds, events // 5, WRITE, WRITE_PEERS)
    memory = within(NAME, f"consume's resident memory, {events:,} events waiting", noop.mib, LIMIT_MIB, unit="MiB")
    return [*figures, memory, *written, *_reconnected(run)]


def _compared(
    run: Run, what: str, rounds: int, events: int, mine: Contender, peers: Sequence[Contender]
) -> tuple[Rates, list[Figure]]:
    rates = Rates({contender.name: [] for contender in (mine, *peers)})
    with Broker(run.servers) as broker, steps(what, rounds * len(rates)) as begin:
        for _ in range(rounds):
            for contender in (mine, *peers):
                begin(contender.name)
                per_second, mib = rate(run, broker, contender, int(events * contender.share))
                rates[contender.name].append(per_second)
                if contender is mine:
                    rates.mib = max(rates.mib, mib)
    name = f"{mine.name}, {what}"
    return rates, [
        compared(NAME, name, rates[mine.name], peer.name, rates[peer.name], unit="/s", bar=peer.bar) for peer in peers
    ]


def _reconnected(run: Run) -> list[Figure]:
    """From when the broker accepts connections again until an event is handled; nothing where it is another's."""
    if run.servers.node is None:
        return []
    times = run.size(RESTARTS, 1)
    with steps("restart of the broker", times) as begin:
        seconds = []
        for number in range(times):
            begin(f"{number + 1} of {times}")
            seconds.append(reconnect(run, run.servers.node))
    return [
        within(NAME, "consume, handling again after a restart of the broker", max(seconds), LIMIT_SECONDS, unit="s")
    ]


def reconnect(run: Run, node: Node) -> float:
    run.measure("bench.workers.filling:handlers", count=1, **NOOP.options)
    with working(NOOP, run) as (process, tally):
        _seconds(process, tally, 1)
        node.stop()
        node.ensure()
        began = time.monotonic()
        run.measure("bench.workers.filling:exchange", count=1)
        _seconds(process, tally, 2)
        seconds = time.monotonic() - began
    with Broker(run.servers) as broker:
        broker.remove(NOOP.queue)
    return seconds


def rate(run: Run, broker: Broker, contender: Contender, count: int) -> tuple[float, float]:
    """Events a second, from the first that was handled to the last, and the process's memory at its highest, in MiB.

    All are gone from the queue afterwards.
    """
    queue = contender.queue or run.servers.queue
    # Those that Dramatiq declares beside it, too.
    broker.remove(queue, f"{queue}.DQ", f"{queue}.XQ")
    if contender.filling == "exchange":
        broker.fresh_queue()
    run.measure(f"bench.workers.filling:{contender.filling}", count=count, **contender.options)
    broker.require(count, queue)
    with working(contender, run) as (process, tally):
        seconds, mib = _seconds(process, tally, count)
    broker.require(0, queue)
    broker.remove(queue)
    return (count - 1) / seconds, mib


@contextmanager
def working(contender: Contender, run: Run) -> Iterator[tuple[subprocess.Popen[bytes], Tally]]:
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+b") as log:
        tally = Tally(Path(folder) / "tally")
        environment = {**run.servers.environment, "BENCH_TALLY": str(tally.path)}
        process = subprocess.Popen(contender.command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            yield process, tally
        except Failed:
            log.seek(0)
            say(log.read().decode(errors="replace")[-2000:])
            raise
        finally:
            process.terminate()
            process.wait(60)


def _seconds(process: subprocess.Popen[bytes], tally: Tally, count: int) -> tuple[float, float]:
    """Waits until so many are handled. From the first to the last, and the memory at its highest, in MiB."""
    silent_since, before, mib = time.monotonic(), 0, 0.0
    seen = psutil.Process(process.pid)
    while True:
        handled, seconds = tally.read()
        with suppress(psutil.Error):
            mib = max(mib, seen.memory_info().rss / MIB)
        if handled >= count:
            return seconds, mib
        if handled != before:
            silent_since, before = time.monotonic(), handled
        if process.poll() is not None or time.monotonic() - silent_since > SILENCE_SECONDS:
            raise Failed(f"{process.args!r} handled {handled} of {count}")
        time.sleep(LOOK_SECONDS)
