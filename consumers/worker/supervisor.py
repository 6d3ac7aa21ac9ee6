"""Runs several worker processes: restarts one that dies, and ends them all together."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from threading import Event as Flag

from publisher.wire.exit_codes import EXIT_CONFIG

logger = logging.getLogger(__name__)

# The environment variable that tells a child the pid of its supervisor. Without it, a child would take itself for a
# supervisor, since it has the same arguments as this process.
SUPERVISOR = "SIGNAL_BRIDGE_SUPERVISOR"
CHECK_SECONDS = 0.2
SHORTEST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
HEALTHY_SECONDS = 60.0
# A child that still runs so long after its grace period is killed: it is probably stuck.
OVERDUE_SECONDS = 10.0


class Child:
    """A child process, which runs the same command as this one."""

    def __init__(self, *, ends_by_itself: bool) -> None:
        self.ends_by_itself = ends_by_itself
        self.pause_seconds = SHORTEST_PAUSE_SECONDS
        self.start()

    def start(self) -> None:
        self.started_at = time.monotonic()
        self.restart_at: float | None = None
        self.process = subprocess.Popen(sys.orig_argv, env={**os.environ, SUPERVISOR: str(os.getpid())})

    @property
    def is_done(self) -> bool:
        return self.ends_by_itself and self.process.poll() == 0

    def tend(self, now: float) -> None:
        """If it died, restart it after a pause. The pause grows each time, until the child lives for a minute."""
        code = self.process.poll()
        if code is None or self.is_done:
            return
        if self.restart_at is None:
            if now - self.started_at > HEALTHY_SECONDS:
                self.pause_seconds = SHORTEST_PAUSE_SECONDS
            logger.error("worker pid=%d ended code=%d, starts again in %gs", self.process.pid, code, self.pause_seconds)
            self.restart_at = now + self.pause_seconds
            self.pause_seconds = min(2 * self.pause_seconds, LONGEST_PAUSE_SECONDS)
        elif now >= self.restart_at:
            self.start()


def supervised_by() -> int | None:
    """The pid of this process's supervisor, or None. Call it once: it is removed from the environment of children."""
    pid = os.environ.pop(SUPERVISOR, None)
    return None if pid is None else int(pid)


def kill(children: Iterable[Child]) -> None:
    """Kill the children, when the supervisor is to end at once. Does not wait for them: a signal handler calls this."""
    for child in children:
        child.process.kill()


def supervise(count: int, stop: Flag, children: list[Child], *, until_empty: bool, grace_seconds: float) -> int:
    """Run `count` children until `stop`, or until one ends with EXIT_CONFIG; with `until_empty`, until all ended well.

    Returns the exit code. The children are put into the list, so that the caller can `kill` them.
    """
    children.extend(Child(ends_by_itself=until_empty) for _ in range(count))
    while not stop.is_set() and not all(child.is_done for child in children):
        if any(child.process.poll() == EXIT_CONFIG for child in children):
            stop.set()
            break
        for child in children:
            child.tend(time.monotonic())
        stop.wait(CHECK_SECONDS)
    for child in children:
        if child.process.poll() is None:
            child.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds + OVERDUE_SECONDS
    # Other exit codes do not count: a child may have died just before it was told to end.
    codes = [_ended(child.process, deadline) for child in children]
    return EXIT_CONFIG if EXIT_CONFIG in codes else 0


def _ended(process: subprocess.Popen[bytes], deadline: float) -> int:
    """Wait for the process, or kill it at the deadline. Returns its exit code."""
    try:
        return process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        logger.error("worker pid=%d did not end within its grace period: killed", process.pid)
        process.kill()
        return process.wait()
