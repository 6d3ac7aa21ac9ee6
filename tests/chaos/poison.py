"""Which saves are poison to the handlers, and which fail once: by their labels alone, the same for all processes."""

import zlib

# Of so many saves. Poison is one in a hundred: most of it raises, some is rejected, some kills its process.
PARTS = 10_000
RAISING, REJECTED, DEADLY = range(90), range(90, 98), range(98, 100)
FLAKY = range(100, 200)


def part(label: str) -> int:
    return zlib.crc32(label.encode()) % PARTS


def is_poison(label: str) -> bool:
    """No handler will ever be done with it."""
    return part(label) < DEADLY.stop


def is_deadly(label: str) -> bool:
    return part(label) in DEADLY
