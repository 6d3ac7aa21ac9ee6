"""`manage.py consume --reload`, for development: restarts the worker when code changes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from threading import Event as Flag

from django.utils import autoreload

from consumers.worker.leaving import end_within
from publisher.wire.stopping import stopping_on_signals

CHANGED = 3  # the exit code of Django's reloader
POLL_SECONDS = 0.1
LOOK_SECONDS = 1.0


def run_reloading(work: Callable[[Flag], None], grace_seconds: float) -> int:
    """Run `work` in a child process, and again after each change of code, until a signal. Returns the exit code.

    The child runs the same command, so it comes here as well.
    """
    if os.environ.get(autoreload.DJANGO_AUTORELOAD_ENV) == "true":
        return _watch(work, grace_seconds)
    stop = Flag()
    children: list[subprocess.Popen[bytes]] = []
    with stopping_on_signals(stop, at_once=lambda: children[-1].kill() if children else None):
        while True:
            code = _child(stop, children)
            # With another code than CHANGED or 0, the child could not start, as when a module cannot be imported. It is
            # started again when a file changes.
            if code != CHANGED and (stop.is_set() or code == 0 or not _changed(stop)):
                return 0 if stop.is_set() else code


def _child(stop: Flag, children: list[subprocess.Popen[bytes]]) -> int:
    environment = {**os.environ, autoreload.DJANGO_AUTORELOAD_ENV: "true"}
    child = subprocess.Popen(autoreload.get_child_arguments(), env=environment)
    children.append(child)
    while child.poll() is None and not stop.wait(POLL_SECONDS):
        pass
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    return child.wait()


def _changed(stop: Flag) -> bool:
    """Wait until the file of a module changes. False if the process is to end instead."""
    sys.stderr.write("Waiting for a change.\n")
    reloader = autoreload.StatReloader()
    before = dict(reloader.snapshot_files())
    while dict(reloader.snapshot_files()) == before:
        if stop.wait(LOOK_SECONDS):
            return False
    return True


def _watch(work: Callable[[Flag], None], grace_seconds: float) -> int:
    """In the child: run the work in a thread beside Django's reloader, which ends the process when a file changes."""
    stop = Flag()
    known = threading.enumerate()
    workers: list[threading.Thread] = []

    def run() -> None:
        workers.append(threading.current_thread())
        work(stop)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # The exit code if an unexpected exception is raised below.
    code = 1
    try:
        autoreload.start_django(autoreload.get_reloader(), run)
    except KeyboardInterrupt:
        code = 0
    except SystemExit as end:
        code = CHANGED if end.code == CHANGED else 0
    else:
        code = 0
    finally:
        # Ctrl-C reaches the child twice: from the terminal, and from the parent as SIGTERM.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop.set()
        deadline = time.monotonic() + grace_seconds
        for worker in workers:
            worker.join(grace_seconds)
        end_within(max(1.0, deadline - time.monotonic()), known, code)
    return code
