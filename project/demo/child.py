"""A management command that ends when the demo does: `python -m project.demo.child COMMAND [ARGUMENT ...]`.

Its standard input is a pipe that the demo holds open and never writes to. However the demo ends, by `kill -9`
too, the system closes the pipe; that works on every Unix, unlike Linux's parent-death signal.
"""

import os
import signal
import sys
import threading
import time

from django.core.management import execute_from_command_line

STANDARD_INPUT = 0
GRACE_SECONDS = 5


def end_with_the_demo() -> None:
    while os.read(STANDARD_INPUT, 1024):
        pass
    group = os.getpgrp()
    os.killpg(group, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=end_with_the_demo, daemon=True).start()
    execute_from_command_line(["manage.py", *sys.argv[1:]])
