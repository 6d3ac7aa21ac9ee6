"""A handler that is asked, and answers in every way there is."""

import os
import signal
import sys
import time
from decimal import Decimal
from threading import Lock

from consumers import receiver, subscribe
from tests.away.signals import order_will_be_placed


def note(text):
    with open(os.environ["TEST_NOTES"], "a") as file:
        file.write(f"{text}\n")


AT_ONCE = Lock()
calls = []


@receiver(order_will_be_placed, ask=True, concurrency=int(os.environ.get("TEST_CONCURRENCY", "0")) or None)
def may_place(sender, order, **kwargs):
    note(f"asked {order}")
    match order:
        case "price":
            return {"price": Decimal("9.90"), "pid": os.getpid()}
        case "raise":
            raise ValueError("not this one")
        case "exit":
            sys.exit(1)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "object":
            return object()
        case "slow":
            time.sleep(8)
        case "rather slow":
            time.sleep(2.5)
            return True
        case "counted":
            with AT_ONCE:
                calls.append(order)
                note(f"{len(calls)} at once")
            time.sleep(0.3)
            calls.pop()
            return True
        case "huge":
            return "x" * 100_000
    return order == "good"


@subscribe("t.busy")
def busy(event):
    note("busy")
    time.sleep(60)
