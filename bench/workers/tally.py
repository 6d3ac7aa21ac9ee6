"""Counts what was handled, in a file that the worker's processes and the one that measures share."""

import mmap
import os
import time
from pathlib import Path
from struct import Struct
from threading import get_native_id, local

SLOTS = 4096
# When the first was handled and when the last, on the machine's monotonic clock, and how many.
SLOT = Struct("=ddQ")


class Counter:
    """One thread's slot, by the number the system gave it: nobody waits for anybody."""

    def __init__(self) -> None:
        self._at = get_native_id() % SLOTS * SLOT.size
        with open(os.environ["BENCH_TALLY"], "r+b") as file:
            self._slots = mmap.mmap(file.fileno(), 0)
        self._first = time.monotonic()
        self._count = 0

    def add(self) -> None:
        self._count += 1
        SLOT.pack_into(self._slots, self._at, self._first, time.monotonic(), self._count)


_counters = local()


def handled() -> None:
    """Called for each event, by whatever handles it, in whichever process and thread."""
    try:
        counter = _counters.counter
    except AttributeError:
        counter = _counters.counter = Counter()
    counter.add()


class Tally:
    """All slots, for the one that measures; the file is made, and gone afterwards."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(SLOTS * SLOT.size))

    def read(self) -> tuple[int, float]:
        """How many were handled, and the seconds from the first to the last."""
        slots = [slot for slot in SLOT.iter_unpack(self.path.read_bytes()) if slot[2]]
        if not slots:
            return 0, 0.0
        return sum(slot[2] for slot in slots), max(slot[1] for slot in slots) - min(slot[0] for slot in slots)

    def close(self) -> None:
        self.path.unlink()
