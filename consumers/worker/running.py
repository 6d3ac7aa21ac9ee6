"""Runs a worker, or several processes, until they end: for `manage.py consume` and `consumers.run()`."""

import sys
import threading
from argparse import Namespace
from collections.abc import Sequence
from threading import Event as Flag

from consumers.exceptions import NamelessSignal
from consumers.handler import Handler
from consumers.worker.leaving import end_within
from consumers.worker.options import settings_from
from consumers.worker.supervisor import Child, kill, supervise, supervised_by
from consumers.worker.worker import Worker
from publisher.alive import cannot_touch, take_away
from publisher.incidental import own_work
from publisher.wire.errors import BrokerRefused
from publisher.wire.exit_codes import EXIT_CONFIG, EXIT_USAGE
from publisher.wire.lifecycle import log_to_stderr
from publisher.wire.stopping import stopping_on_signals


def run_worker(handlers: Sequence[Handler], options: Namespace, *, has_database: bool = True) -> int:
    """Run until a signal. Returns the exit code."""
    log_to_stderr()
    if problem := cannot_touch(options.alive_file):
        sys.stderr.write(f"{problem}\n")
        return EXIT_USAGE
    stop, supervisor = Flag(), supervised_by()
    children: list[Child] = []
    with stopping_on_signals(stop, at_once=lambda: kill(children)):
        if options.processes > 1 and supervisor is None:
            until_empty, grace = options.until_empty, options.grace
            try:
                return supervise(options.processes, stop, children, until_empty=until_empty, grace_seconds=grace)
            finally:
                take_away(options.alive_file)
        return work(handlers, options, stop, has_database=has_database, supervisor=supervisor, ends_process=True)


def work(
    handlers: Sequence[Handler],
    options: Namespace,
    stop: Flag,
    *,
    has_database: bool = True,
    supervisor: int | None = None,
    ends_process: bool = False,
) -> int:
    """Run one worker until `stop` is set. Returns the exit code. `ends_process`: the process ends after it."""
    known = threading.enumerate()
    # The exit code if an unexpected exception is raised below.
    code, worker = 1, None
    try:
        with own_work():
            worker = Worker(handlers, settings_from(options, has_database=has_database, supervisor=supervisor), stop)
            worker.run()
        code = 0
    except (BrokerRefused, NamelessSignal) as exc:
        sys.stderr.write(f"{exc}\n")
        code = EXIT_CONFIG
    finally:
        if supervisor is None:  # else other workers still touch the file
            take_away(options.alive_file)
        if ends_process and worker is not None:
            end_within(worker.grace_left(), known, code)
    return code
