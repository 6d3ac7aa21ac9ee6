"""Times the receivers of signals: each is replaced by a function that calls and times it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from asgiref.sync import iscoroutinefunction

from publisher.catalogue.entries import Entry, Receiver, dereferenced, path_of, replace
from publisher.catalogue.signals import KnownSignal, catalogue
from publisher.offload.stand_in import stand_in_of

IN_PROCESS, OFFLOADED, FORWARDED = "in process", "offloaded", "forwarded"


class Key(NamedTuple):
    """A receiver of a signal, and where it runs: IN_PROCESS, OFFLOADED or FORWARDED."""

    receiver: str
    signal: str
    runs: str


class Stopwatch:
    """`taken` has the seconds of each call. `outermost` is their sum, without calls inside calls of other receivers."""

    def __init__(self) -> None:
        self.taken: dict[Key, list[float]] = {}
        self.outermost = 0.0
        self._depth = 0

    @contextmanager
    def on_all_receivers(self) -> Iterator[None]:
        """Time the receivers of all signals inside the block."""
        known = catalogue()
        for each in known:
            replace(each.signal, partial(self._timed, each))
        try:
            yield
        finally:
            for each in known:
                replace(each.signal, lambda entry: getattr(entry.held, "in_place_of", None))

    @contextmanager
    def _running(self, key: Key) -> Iterator[None]:
        self._depth += 1
        began = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - began
            self._depth -= 1
            self.taken.setdefault(key, []).append(seconds)
            self.outermost += seconds if self._depth == 0 else 0

    def _timed(self, known: KnownSignal, entry: Entry) -> Receiver | None:
        receiver = entry.receiver
        if receiver is None:
            return None
        key = Key(path_of(receiver), known.name, runs(entry))

        def timed(**named: Any) -> Any:
            current = dereferenced(entry.held)
            if current is None:
                return None
            with self._running(key):
                return current(**named)

        async def timed_asynchronously(**named: Any) -> Any:
            current = dereferenced(entry.held)
            if current is None:
                return None
            with self._running(key):
                return await current(**named)

        chosen: Any = timed_asynchronously if iscoroutinefunction(receiver) else timed
        chosen.__module__, _, chosen.__qualname__ = key.receiver.rpartition(".")
        chosen.in_place_of = entry.held
        # A receiver that connects meanwhile makes the bridge look for receivers to offload: not for this one again.
        chosen.stand_in = stand_in_of(entry.held)
        return chosen  # type: ignore[no-any-return]


def runs(entry: Entry) -> str:
    if stand_in_of(entry.held):
        return OFFLOADED
    return FORWARDED if entry.is_the_bridges else IN_PROCESS
