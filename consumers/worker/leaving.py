"""The process ends with its grace period, and not with the last thread that a handler started."""

import logging
import os
import threading
from collections.abc import Collection

logger = logging.getLogger("consumers.worker")


def end_within(seconds: float, known: Collection[threading.Thread], code: int) -> None:
    """To be called before the process ends with `code`: executors' threads, asyncio's too, are waited for then, daemons
    or not.

    Those that are `known` were there before any handler.
    """
    started = [thread for thread in threading.enumerate() if thread not in known]
    if started:
        timer = threading.Timer(seconds, _end, [started, code])
        timer.daemon = True
        timer.start()


def _end(started: Collection[threading.Thread], code: int) -> None:
    left = ", ".join(thread.name for thread in started if thread.is_alive())
    logger.warning("ending without threads that handlers started: %s", left)
    os._exit(code)
