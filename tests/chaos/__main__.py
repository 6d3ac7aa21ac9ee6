"""`python -m tests.chaos`: the long runs; exit code 1 when a promise was broken."""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from random import SystemRandom

from rich.console import Console

from tests.chaos.report import as_json, conclusion, tables
from tests.chaos.result import Result
from tests.chaos.run import SCENARIOS, run
from tests.chaos.sabotage import NAMES, VARIABLE
from tests.chaos.servers import BROKERS, DATABASES
from tests.services import Unavailable


def main() -> int:
    options = _parser().parse_args()
    seed = options.seed if options.seed is not None else SystemRandom().randrange(10**6)
    console = Console(stderr=True)
    console.print(f"seed {seed}", highlight=False)
    results = []
    if options.sabotage:
        os.environ[VARIABLE] = options.sabotage
        options.scenario = NAMES[options.sabotage][0]
    for name in [options.scenario] if options.scenario else SCENARIOS:
        try:
            results.append(_run(name, options, seed, console))
        except Unavailable as exc:
            console.print(str(exc), markup=False)
            return 1
    if options.format == "json":
        sys.stdout.write(as_json(results) + "\n")
    for result in results:
        console.print(conclusion(result), highlight=False, markup=False, soft_wrap=True)
    return 0 if all(result.is_clean for result in results) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=os.environ.get("CHAOS_SEED"), help="repeats a run (or CHAOS_SEED)")
    parser.add_argument("--scenario", choices=SCENARIOS, help="this one alone (default: one after the other)")
    parser.add_argument(
        "--broker", choices=BROKERS, default="node",
        help="a private node of the installed RabbitMQ, or a container of RabbitMQ 4 (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--database",
        choices=DATABASES,
        default="postgres",
        help="a private server, or a file, which nobody kills (default: %(default)s)",
    )
    parser.add_argument("--size", choices=("full", "short"), default="full", help="default: %(default)s")
    parser.add_argument("--sabotage", choices=NAMES, help="break this promise on purpose: the run must not be clean")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="default: %(default)s")
    return parser


def _run(name: str, options: argparse.Namespace, seed: int, console: Console) -> Result:
    console.print(f"{name}: {options.size} run, broker {options.broker}, database {options.database}", highlight=False)
    folder = Path(tempfile.mkdtemp(prefix=f"signal-bridge-chaos-{name}-"))
    result = run(name, options.size, seed, folder, console, on=options.broker, database=options.database)
    if options.format == "table":
        Console().print(tables(result))
    if result.is_clean:
        shutil.rmtree(folder)
    else:
        console.print(f"The logs are in {folder}", markup=False, highlight=False)
    return result


if __name__ == "__main__":
    sys.exit(main())
