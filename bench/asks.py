"""What it takes to ask a handler in another process, beside a bare RPC with pika."""

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from bench.broker import Broker
from bench.figures import Bar, Figure, at_least, at_most, compared
from bench.progress import steps
from bench.run import Run

NAME = "ask"
THREADS = 8
ASK, RPC = "ask", "a bare pika RPC"


def run(run: Run) -> list[Figure]:
    rounds, count = run.size(5, 3), run.size(4_000, 1_600)
    p50: dict[str, list[float]] = {ASK: [], RPC: []}
    rates: dict[tuple[str, int], list[float]] = {(way, threads): [] for way in p50 for threads in (1, THREADS)}
    with Broker(run.servers), servers(run), steps("Ask", rounds * len(rates)) as begin:
        for _ in range(rounds):
            for (way, threads), measured in rates.items():
                begin(f"{way}, {threads} threads")
                result = call(run, way, count, threads)
                measured.append(len(result["each"]) / result["seconds"])
                if threads == 1:
                    p50[way].append(median(result["each"]) * 1000)
    one = compared(NAME, "ask, one thread, p50", p50[ASK], RPC, p50[RPC], unit="ms", bar=at_most(3))
    return [one, *(_rate(rates, peer_threads, bar) for peer_threads, bar in ((1, at_least(1)), (THREADS, None)))]


def _rate(rates: dict[tuple[str, int], list[float]], peer_threads: int, bar: Bar | None) -> Figure:
    """From eight threads, over one connection."""
    peer = RPC if peer_threads == 1 else f"{RPC} from {peer_threads} threads, a connection each"
    name = f"ask, {THREADS} threads"
    return compared(NAME, name, rates[ASK, THREADS], peer, rates[RPC, peer_threads], unit="/s", bar=bar)


def call(run: Run, way: str, count: int, threads: int) -> Any:
    if way == ASK:
        return run.measure("bench.asking:ask", count=count, threads=threads)
    return run.measure("bench.peers.pika_rpc:call", count=count, threads=threads, queue=rpc_queue(run))


@contextmanager
def servers(run: Run) -> Iterator[None]:
    """Whoever answers: both are there all the time, and idle while the other is asked."""
    answering = [
        run.start("bench.asking:answer"),
        run.start("bench.peers.pika_rpc:serve", queue=rpc_queue(run)),
    ]
    try:
        yield
    finally:
        for process in answering:
            process.end()


def rpc_queue(run: Run) -> str:
    return f"{run.servers.queue}.rpc"
