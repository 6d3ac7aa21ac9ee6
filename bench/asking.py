"""Both ends of `delivery: "ask"`, in processes of their own."""

import threading
import time
from collections.abc import Callable
from threading import Event as Flag
from typing import Any

from bench.models import ForwardedOrder, values
from bench.signals import order_will_be_placed
from consumers.handler import Handler, triggers_of
from consumers.worker.answering import Answering
from consumers.worker.options import Settings

READY_SECONDS = 30.0
WARM_UP = 200


def answer() -> None:
    """Until it is killed."""
    handler = Handler(name="may_place", function=may_place, triggers=triggers_of((order_will_be_placed,)), ask=True)
    answering = Answering([handler], Settings(has_database=False), Flag())
    answering.start()
    Flag().wait()


def may_place(sender: Any, instance: ForwardedOrder, **kwargs: Any) -> bool:
    """The handler: as little as there can be."""
    return instance.number > 0


def ask(count: int, threads: int) -> dict[str, Any]:
    return measured(ask_once, count, threads)


def ask_once() -> bool:
    order = ForwardedOrder(pk=1, **values(1))
    ((_, response),) = order_will_be_placed.send(sender=ForwardedOrder, instance=order)
    return bool(response)


def measured(call: Callable[[], bool], count: int, threads: int) -> dict[str, Any]:
    """What each call took, and all of them together; `call` says whether it got its answer."""
    deadline = time.monotonic() + READY_SECONDS
    while not call():
        if time.monotonic() > deadline:
            raise TimeoutError("nobody answers")
        time.sleep(0.05)
    in_threads(call, WARM_UP // threads, threads)
    began = time.perf_counter()
    taken = in_threads(call, count // threads, threads)
    return {"each": taken, "seconds": time.perf_counter() - began}


def in_threads(call: Callable[[], bool], count: int, threads: int) -> list[float]:
    """So many calls in each of so many threads."""
    taken: list[float] = []

    def work() -> None:
        for _ in range(count):
            began = time.perf_counter()
            if not call():
                raise AssertionError("no answer")
            taken.append(time.perf_counter() - began)

    working = [threading.Thread(target=work) for _ in range(threads)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    if len(taken) != count * threads:
        raise AssertionError(f"{len(taken)} of {count * threads} answers")
    return taken
