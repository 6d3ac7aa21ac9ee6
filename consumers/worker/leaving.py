"""Ends the process after its grace period, also if threads or processes that handlers started still run."""

import logging
import os
import threading
from collections.abc import Collection
from multiprocessing import active_children
from multiprocessing.process import BaseProcess

logger = logging.getLogger("consumers.worker")


def end_within(seconds: float, known: Collection[threading.Thread], code: int) -> None:
    """Call this just before the process ends. If it has not ended after `seconds`, a timer ends it with `code`.

    At exit Python waits for threads of executors, those of asyncio included, and for processes of `multiprocessing`.
    The `known` threads were there before any handler ran, and need no timer.
    """
    threads = (thread for thread in threading.enumerate() if thread not in known)
    started = [*threads, *active_children()]
    if started:
        timer = threading.Timer(seconds, _end, [started, code])
        timer.daemon = True
        timer.start()


def _end(started: Collection[threading.Thread | BaseProcess], code: int) -> None:
    left = ", ".join(each.name for each in started if each.is_alive())
    logger.warning("ending without threads or processes that handlers started: %s", left)
    os._exit(code)
