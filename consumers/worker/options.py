"""How a worker works, and the options that say so on the command line."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from consumers.handler import MOST_AHEAD, Handler

THREADS = 4
# Enough for the quickest handlers never to wait for the broker.
PREFETCH_PER_THREAD = 64
# Of ordered queues, which hand over all that was taken ahead, and of questions, which somebody waits for.
FEW_PER_THREAD = 16
# Once the broker's patience ended: nothing waits behind a handler that long.
LEAST_PER_THREAD = 1
GRACE_SECONDS = 30.0
# More than anybody needs: a week, and threads for which MOST_AHEAD is enough.
LONGEST_GRACE_SECONDS = 604_800.0
MOST_THREADS = MOST_PROCESSES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`prefetch` is for each queue; a batch handler's is at least two batches."""

    threads: int = THREADS
    prefetch: int | None = None
    grace_seconds: float = GRACE_SECONDS
    until_empty: bool = False
    has_database: bool = True
    alive_file: Path | None = None
    # The process that supervises this one: when it is gone, this one ends too.
    supervisor: int | None = None


def prefetch(handler: Handler, settings: Settings, *, was_late: bool = False) -> int:
    """How many events to take ahead for it.

    `was_late`: some waited here, behind slow handlers, for longer than the broker waits for an acknowledgement.
    """
    per_thread = FEW_PER_THREAD if handler.ordered or handler.ask else PREFETCH_PER_THREAD
    asked = settings.prefetch or settings.threads * (LEAST_PER_THREAD if was_late else per_thread)
    ahead = max(asked, 2 * handler.batch)
    # What is not here cannot be called.
    return ahead if handler.concurrency is None else min(ahead, handler.concurrency * max(handler.batch, 1))


def up_to(most: int) -> Callable[[str], int]:
    """For argparse: a number from 1 on."""

    def number(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise ArgumentTypeError(f"it is a number from 1 to {most}, not {text!r}")
        return int(text)

    return number


def grace(text: str) -> float:
    """For argparse: seconds, which threads can be waited for."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_GRACE_SECONDS:
        raise ArgumentTypeError(f"it is a number of seconds from 0 to {LONGEST_GRACE_SECONDS:.0f}, not {text!r}")
    return seconds


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--threads",
        type=up_to(MOST_THREADS),
        default=THREADS,
        metavar="N",
        help="handlers at a time (default: %(default)s)",
    )
    parser.add_argument(
        "--processes",
        type=up_to(MOST_PROCESSES),
        default=1,
        metavar="N",
        help="worker processes (default: %(default)s)",
    )
    parser.add_argument(
        "--prefetch",
        type=up_to(MOST_AHEAD),
        metavar="N",
        help=f"events taken ahead from each queue (default: for each thread {PREFETCH_PER_THREAD}, or {FEW_PER_THREAD} "
        "where the handler is ordered)",
    )
    parser.add_argument(
        "--grace",
        type=grace,
        default=GRACE_SECONDS,
        metavar="SECONDS",
        help="at the end, wait so long for handlers that run (default: %(default)g)",
    )
    parser.add_argument(
        "--until-empty",
        action="store_true",
        help="end when the queues are empty; a broker that is away is waited for, events between two attempts are not",
    )
    parser.add_argument("--alive-file", type=Path, metavar="PATH", help="touched every second: old means stuck")


def settings_from(options: Namespace, *, has_database: bool, supervisor: int | None) -> Settings:
    return Settings(
        threads=options.threads,
        prefetch=options.prefetch,
        grace_seconds=options.grace,
        until_empty=options.until_empty,
        has_database=has_database,
        alive_file=options.alive_file,
        supervisor=supervisor,
    )
