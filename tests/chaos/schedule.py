"""Which faults, in which order, with which pauses: a seed decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from random import Random

from publisher.wire.url import HEARTBEAT_SECONDS

SHARED_ROWS = 8


class Kind(Enum):
    BROKER_KILLED = "broker killed"
    RELAY_KILLED = "relay killed"
    WRITER_KILLED = "writer killed"
    DATABASE_RESTARTED = "database restarted"
    DATABASE_KILLED = "database killed"
    MEMORY_ALARM = "memory alarm"
    HALF_OPEN = "broker hangs"
    RELAY_FROZEN = "relay frozen"
    CONSUMER_KILLED = "consumer killed"
    CONSUMER_ENDED = "consumer ended"
    HOSTILE_SENT = "hostile message"


# From, to: how long a fault lasts before it is mended.
LASTS_SECONDS = {
    Kind.BROKER_KILLED: (0.0, 2.0),
    Kind.DATABASE_RESTARTED: (0.0, 1.0),
    Kind.DATABASE_KILLED: (0.0, 1.0),
    Kind.MEMORY_ALARM: (3.0, 5.0),
    # Longer than the client's patience: pika gives up five seconds after its heartbeat is due.
    Kind.HALF_OPEN: (HEARTBEAT_SECONDS + 8.0, HEARTBEAT_SECONDS + 10.0),
    # Longer than a lease.
    Kind.RELAY_FROZEN: (7.0, 9.0),
}
# Those after which the next fault may come before the work goes on again.
OVERLAPPING = frozenset(
    (Kind.BROKER_KILLED, Kind.RELAY_KILLED, Kind.WRITER_KILLED, Kind.CONSUMER_KILLED, Kind.CONSUMER_ENDED)
)
# Those that no work goes down for.
AT_ONCE = frozenset((Kind.HOSTILE_SENT,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`calm_seconds` go before it; after one that `overlaps` nobody waits for recovery."""

    kind: Kind
    calm_seconds: float
    lasts_seconds: float
    overlaps: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything. `rate` is the saves of one writer a second, bursts aside."""

    events: int
    faults: Mapping[Kind, int]
    writers: int = 4
    relays: int = 2
    consumers: int = 0
    rate: float = 10.0
    calm_seconds: tuple[float, float] = (0.2, 1.5)
    overlap: float = 0.25


def schedule(plan: Plan, seed: int) -> list[Fault]:
    """The same faults for the same seed."""
    random = Random(seed)
    kinds = [kind for kind in Kind for _ in range(plan.faults.get(kind, 0))]
    random.shuffle(kinds)
    return [
        Fault(
            kind=kind,
            calm_seconds=0.0 if kind in AT_ONCE else random.uniform(*plan.calm_seconds),
            lasts_seconds=random.uniform(*LASTS_SECONDS.get(kind, (0.0, 0.0))),
            overlaps=kind in AT_ONCE or (kind in OVERLAPPING and random.random() < plan.overlap),
        )
        for kind in kinds
    ]
