"""A worker, or several, run to their end: what `manage.py consume` and `consumers.run()` have in common."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from threading import Event as Flag

from consumers.options import settings_from
from consumers.registry import Handler
from consumers.supervisor import SAME_WISH_SECONDS, supervise, supervised_by
from consumers.worker import Worker
from publisher.incidental import own_work
from publisher.wire.errors import BrokerRefused
from publisher.wire.lifecycle import EXIT_CONFIG, log_to_stderr, stopping_on_signals


def run_worker(handlers: Sequence[Handler], options: Namespace, *, has_database: bool = True) -> int:
    """Runs until a signal ends it; the process's exit code."""
    log_to_stderr()
    stop, supervisor = Flag(), supervised_by()
    with stopping_on_signals(stop, same_wish_seconds=0.0 if supervisor is None else SAME_WISH_SECONDS):
        if options.processes > 1 and supervisor is None:
            return supervise(options.processes, stop)
        return work(handlers, options, stop, has_database=has_database, supervisor=supervisor)


def work(
    handlers: Sequence[Handler],
    options: Namespace,
    stop: Flag,
    *,
    has_database: bool = True,
    supervisor: int | None = None,
) -> int:
    """One worker, until `stop` is set; the process's exit code."""
    try:
        with own_work():
            Worker(handlers, settings_from(options, has_database=has_database, supervisor=supervisor), stop).run()
    except BrokerRefused as exc:
        sys.stderr.write(f"{exc}\n")
        return EXIT_CONFIG
    return 0
