"""Whether a long backlog slows the relay, or fills its memory."""

import time
from statistics import median

import psutil

from bench.broker import Broker
from bench.figures import Figure, at_least, compared, within
from bench.processes import Measurement
from bench.progress import steps
from bench.run import Run

NAME = "backlog"
SHORT, MIDDLE, LONG, QUICK_LONG = 1_000, 50_000, 1_000_000, 100_000
SHORT_TIMES = 30
PURGE_SECONDS = 1.0
MIB = 1024 * 1024
LIMIT_MIB = 100


class Watch:
    """Looks after a relay that works: how large it gets, and that the queue does not fill the broker's memory."""

    def __init__(self, measurement: Measurement, broker: Broker) -> None:
        self.highest_mib = 0.0
        self._process = psutil.Process(measurement.process.pid)
        self._broker = broker
        self._purged_at = time.monotonic()

    def __call__(self) -> None:
        try:
            self.highest_mib = max(self.highest_mib, self._process.memory_info().rss / MIB)
        except psutil.NoSuchProcess:
            return
        if time.monotonic() - self._purged_at > PURGE_SECONDS:
            self._broker.purge()
            self._purged_at = time.monotonic()


def run(run: Run) -> list[Figure]:
    rounds, long = run.size(3, 2), run.size(LONG, QUICK_LONG)
    rates: dict[int, list[float]] = {SHORT: [], MIDDLE: [], long: []}
    mib: list[float] = []
    with Broker(run.servers) as broker, steps("Backlog", rounds * len(rates)) as begin:
        for _ in range(rounds):
            for rows in rates:
                begin(f"{rows:,} rows")
                rate, highest_mib = _relay(run, broker, rows, times=SHORT_TIMES if rows == SHORT else 1)
                rates[rows].append(rate)
                mib.append(highest_mib)
    name = f"relay, backlog of {long:,} rows"
    bar = at_least(0.9)
    return [
        compared(NAME, name, rates[long], f"backlog of {SHORT:,}", rates[SHORT], unit="/s", bar=bar),
        compared(NAME, name, rates[long], f"backlog of {MIDDLE:,}", rates[MIDDLE], unit="/s", bar=bar),
        within(NAME, f"relay's resident memory, backlog of {long:,} rows", max(mib), LIMIT_MIB, unit="MiB"),
    ]


def _relay(run: Run, broker: Broker, rows: int, times: int) -> tuple[float, float]:
    """Rows a second, and the resident memory of the relay's process at its highest, in MiB."""
    broker.fresh_queue()
    run.measure("bench.events:fill_outbox", count=rows)
    measurement = run.start("bench.peers.relay:publish_repeatedly", count=rows, times=times)
    watch = Watch(measurement, broker)
    seconds = measurement.result(watch)
    return rows / median(seconds), watch.highest_mib
