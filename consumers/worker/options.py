"""The options of a worker, and how they are given on the command line."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from consumers.handler import MOST_AHEAD, Handler

THREADS = 4
# Enough so that even the quickest handlers never wait for the broker.
PREFETCH_PER_THREAD = 64
# For ordered queues, whose prefetched events all move to another process when this one ends; and for questions, since
# somebody waits for each answer.
FEW_PER_THREAD = 16
# After an acknowledgement came too late for the broker. From then on, events must not wait here behind slow handlers.
LEAST_PER_THREAD = 1
GRACE_SECONDS = 30.0
# Upper limits: a week, and as many threads as MOST_AHEAD is enough for.
LONGEST_GRACE_SECONDS = 604_800.0
MOST_THREADS = MOST_PROCESSES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one worker. `prefetch` is for each queue; None stands for the default. `supervisor` is the pid of
    the process that supervises this one: when that process is gone, this one ends as well.
    """

    threads: int = THREADS
    prefetch: int | None = None
    grace_seconds: float = GRACE_SECONDS
    until_empty: bool = False
    has_database: bool = True
    alive_file: Path | None = None
    supervisor: int | None = None


def prefetch(handler: Handler, settings: Settings, *, was_late: bool = False) -> int:
    """How many events of this handler's queue to take ahead; for a batch handler at least two batches, unless its
    `concurrency` allows less.

    `was_late`: an event waited here, behind slow handlers, for longer than the broker waits for an acknowledgement.
    """
    per_thread = FEW_PER_THREAD if handler.ordered or handler.ask else PREFETCH_PER_THREAD
    asked = settings.prefetch or settings.threads * (LEAST_PER_THREAD if was_late else per_thread)
    ahead = max(asked, 2 * handler.batch)
    # More would only wait here for their turn. Of questions, nothing else limits how many are asked at a time.
    return ahead if handler.concurrency is None else min(ahead, handler.concurrency * max(handler.batch, 1))


def up_to(most: int) -> Callable[[str], int]:
    """For argparse: a whole number from 1 to `most`."""

    def number(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise ArgumentTypeError(f"expected a number from 1 to {most}, not {text!r}")
        return int(text)

    return number


def grace(text: str) -> float:
    """For argparse: a number of seconds, up to a week."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_GRACE_SECONDS:
        raise ArgumentTypeError(f"expected a number of seconds from 0 to {LONGEST_GRACE_SECONDS:.0f}, not {text!r}")
    return seconds


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--threads",
        type=up_to(MOST_THREADS),
        default=THREADS,
        metavar="N",
        help="how many handlers run at a time (default: %(default)s)",
    )
    parser.add_argument(
        "--processes",
        type=up_to(MOST_PROCESSES),
        default=1,
        metavar="N",
        help="how many worker processes to run (default: %(default)s)",
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
        help="how long to wait for running handlers at the end (default: %(default)g)",
    )
    parser.add_argument(
        "--until-empty",
        action="store_true",
        help="end when the queues are empty: wait for a broker that is away, but not for events between two attempts",
    )
    parser.add_argument(
        "--alive-file",
        type=Path,
        metavar="PATH",
        help="a file to touch every second: if it is old, the worker is stuck",
    )


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
