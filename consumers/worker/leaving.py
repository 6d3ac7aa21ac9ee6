"""The process ends with its grace period, and not with the last thread or process that a handler started."""

import logging
import os
import threading
from collections.abc import Collection
from multiprocessing import active_children
from multiprocessing.process import BaseProcess

logger = logging.getLogger("consumers.worker")


def end_within(seconds: float, known: Collection[threading.Thread], code: int) -> None:
    """To be called before the process ends with `code`: executors' threads, asyncio's too, are waited for then, daemons
    or not, and so are processes of `multiprocessing`.

    Those that are `known` were there before any handler.
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
