"""Handlers that fail in every way there is. They note what they began in a file, which no rollback undoes."""

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

from django.db import OperationalError

from consumers import Backoff, BatchFailed, Event, Reject, Retry, subscribe
from tests.bar.consumers import see

QUICK = Backoff(delays=(0.2, 0.2), jitter=0)
AT_ONCE = threading.Lock()
calls: list[str] = []


def note(text: str) -> None:
    with Path(os.environ["TEST_NOTES"]).open("a") as file:
        file.write(f"{text}\n")


def noted(text: str) -> int:
    path = Path(os.environ["TEST_NOTES"])
    return path.read_text().splitlines().count(text) if path.exists() else 0


@subscribe("t.plain", retry=QUICK)
def plain(event: Event):
    see("plain", event.data["n"])


@subscribe("t.flaky", retry=QUICK)
def flaky(event: Event):
    see("flaky", event.data["n"])
    note(f"flaky {event.data['n']}")
    if noted(f"flaky {event.data['n']}") <= event.data.get("failures", 0):
        raise ConnectionError("the other service is away")


@subscribe("t.later", retry=QUICK)
def later(event: Event):
    note("later")
    if noted("later") == 1:
        raise Retry("not yet", after=event.data.get("after", 1))
    see("later", event.routing_key)


@subscribe("t.typed", retry=Backoff(delays=(0.1,), permanent=(KeyError,)))
def typed(event: Event):
    note("typed")
    raise KeyError("never again")


@subscribe("t.killer", retry=Backoff(delays=(0.1, 0.1), jitter=0))
def killer(event: Event):
    note(f"killer {event.data['n']}")
    if event.data.get("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    see("killer", event.data["n"])


@subscribe("t.ordered", ordered=True, retry=Backoff(delays=(0.3, 0.3), jitter=0))
def ordered(event: Event):
    note(f"ordered {event.partitionkey} {event.data['n']}")
    if noted(f"ordered {event.partitionkey} {event.data['n']}") <= event.data.get("failures", 0):
        raise Retry(after=event.data["after"]) if "after" in event.data else ConnectionError
    see("ordered", f"{event.partitionkey} {event.data['n']}")


@subscribe("t.batch", batch=10, batch_seconds=0.3, retry=QUICK)
def together(events: list[Event]):
    note(f"batch {len(events)}")
    for event in events:
        see("batch", event.data["n"])
        if event.data.get("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if event.data.get("poison"):
            raise ValueError("poison")
    bad = {event.id: ValueError("bad one") for event in events if event.data.get("bad")}
    if bad:
        raise BatchFailed(bad)


@subscribe("t.few", concurrency=2, retry=QUICK)
def few(event: Event):
    if event.data.get("fails"):
        raise ConnectionError
    with AT_ONCE:
        calls.append(event.id)
        see("few", len(calls))
    time.sleep(event.data.get("seconds", 0.2))
    calls.remove(event.id)


@subscribe("t.one_batch", batch=10, batch_seconds=0.1, concurrency=1, inbox=False, retry=QUICK)
def one_batch(events: list[Event]):
    with AT_ONCE:
        calls.append(events[0].id)
        note(f"{len(calls)} at once")
    time.sleep(1.0 if len(events) > 1 else 0.3)
    calls.remove(events[0].id)
    note(f"batch {len(events)}")
    if len(events) > 1:
        raise ConnectionError


@subscribe("t.async", retry=QUICK)
async def asynchronous(event: Event):
    from tests.bar.models import Seen

    await Seen.objects.acreate(handler="async", text=event.data["n"], pid=os.getpid())
    note(f"async {event.data['n']}")
    if noted(f"async {event.data['n']}") <= event.data.get("failures", 0):
        raise ConnectionError


@subscribe("t.threaded", retry=QUICK)
async def threaded(event: Event):
    note("threaded")
    await asyncio.to_thread(time.sleep, 20)


@subscribe("t.forking", retry=QUICK)
def forking(event: Event):
    multiprocessing.Process(target=time.sleep, args=(15,)).start()
    note("forking")


@subscribe("t.slow", soft_seconds=0.5, hard_seconds=1.5, retry=Backoff(delays=()))
def slow(event: Event):
    note("slow")
    for _ in range(100):
        time.sleep(0.1)
    see("slow", "never")


@subscribe("t.stuck", hard_seconds=0.5, retry=QUICK)
def stuck(event: Event):
    """One step of Python, and a long one."""
    note("stuck")
    time.sleep(60)


@subscribe("t.once", retry=Backoff(delays=()))
def once(event: Event):
    time.sleep(0.02)
    see("once", event.data["n"])


@subscribe("t.reject")
def rejected(event: Event):
    raise Reject("not for me")


@subscribe("t.long", retry=QUICK)
def long(event: Event):
    note("long")
    time.sleep(event.data["seconds"])
    see("long", event.data["n"])


@subscribe("t.away", retry=Backoff(delays=(0.2,), jitter=0))
def away(event: Event):
    note("away")
    if "TEST_AWAY" in os.environ:
        raise OperationalError("server closed the connection unexpectedly")
    see("away", event.data["n"])


@subscribe("t.free", retry=QUICK, inbox=False)
def free(event: Event):
    note("free")
    time.sleep(event.data["seconds"])
    see("free", event.data["n"])
