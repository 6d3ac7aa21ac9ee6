"""`python -m bench`: runs the benchmarks, and shows the figures beside their peers."""

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

import psutil
from rich.console import Console

from bench import asks, backlog, document, encoding, handling, latency, machine, pages, rates, saves, start
from bench.figures import Figure
from bench.processes import ROOT, Failed
from bench.progress import say, step
from bench.run import Run
from bench.servers import Servers, servers
from bench.table import table
from tools.errors import ToolError

BENCHMARKS: dict[str, Callable[[Run], list[Figure]]] = {
    module.NAME: module.run for module in (start, saves, pages, encoding, rates, latency, backlog, handling, asks)
}

BUSY_PERCENT = 10
# Where there is no terminal, nothing is to be folded.
FILE_COLUMNS = 160


def main() -> int:
    options = parser().parse_args()
    # So that what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    busy = busy_percent()
    names = options.only or list(BENCHMARKS)
    try:
        with servers() as found:
            make_tables(found)
            run = Run(servers=found, is_quick=options.quick)
            figures = [figure for name in names for figure in BENCHMARKS[name](run)]
            measured_on = {**machine.description(found), "other load at the start": f"{busy:.0f} %"}
    except (ToolError, Failed) as exc:
        say(str(exc))
        return 1
    except KeyboardInterrupt:
        return 130
    show(figures, measured_on, options.format)
    if not (options.only or options.quick):
        document.write(figures, measured_on)
        say("Written: docs/bench.md, docs/bench.svg")
    return 0


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="The benchmarks; a full run writes docs/bench.*."
    )
    parser.add_argument("--format", choices=["table", "json"], default="table")
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="smaller numbers and fewer rounds, for trying")
    return parser


def busy_percent() -> float:
    """What others do on this machine, which disturbs."""
    busy = psutil.cpu_percent(interval=1.0)
    if busy > BUSY_PERCENT:
        say(f"This machine is busy with something else ({busy:.0f} %): the figures will tell of that, too.")
    return busy


def make_tables(found: Servers) -> None:
    with step("Making the tables"):
        for alias in saves.DATABASES:
            migrate = [sys.executable, "manage.py", "migrate", "--run-syncdb", "--verbosity=0", f"--database={alias}"]
            subprocess.run(migrate, cwd=ROOT, env=found.environment, check=True)


def show(figures: Sequence[Figure], measured_on: Mapping[str, str], form: str) -> None:
    if form == "json":
        json.dump(
            {"machine": measured_on, "figures": [figure.plain for figure in figures]},
            sys.stdout,
            indent=2,
            ensure_ascii=False,
        )
        sys.stdout.write("\n")
    else:
        Console(highlight=False, width=None if sys.stdout.isatty() else FILE_COLUMNS).print(table(figures))


if __name__ == "__main__":
    sys.exit(main())
