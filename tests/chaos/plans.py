"""How long and how hard: the full runs of `make chaos`, and the short ones that `make test` has."""

from tests.chaos.schedule import Kind, Plan

PUBLISHER = {
    "full": Plan(
        events=20_000,
        rate=14.0,
        faults={
            Kind.BROKER_KILLED: 10,
            Kind.RELAY_KILLED: 20,
            Kind.WRITER_KILLED: 10,
            Kind.DATABASE_RESTARTED: 1,
            Kind.DATABASE_KILLED: 2,
            Kind.MEMORY_ALARM: 1,
            Kind.HALF_OPEN: 1,
            Kind.RELAY_FROZEN: 1,
        },
    ),
    "short": Plan(
        events=1_500,
        rate=15.0,
        calm_seconds=(0.2, 0.6),
        overlap=0.0,
        faults={
            Kind.BROKER_KILLED: 1,
            Kind.RELAY_KILLED: 1,
            Kind.WRITER_KILLED: 2,
            Kind.DATABASE_KILLED: 1,
            Kind.MEMORY_ALARM: 1,
        },
    ),
}
CONSUMERS = {
    "full": Plan(
        events=20_000,
        rate=14.0,
        relays=1,
        consumers=3,
        calm_seconds=(0.2, 1.2),
        faults={
            Kind.CONSUMER_KILLED: 20,
            Kind.CONSUMER_ENDED: 50,
            Kind.BROKER_KILLED: 10,
            Kind.DATABASE_RESTARTED: 1,
            Kind.DATABASE_KILLED: 2,
            Kind.HOSTILE_SENT: 20,
        },
    ),
    "short": Plan(
        events=500,
        rate=12.0,
        relays=1,
        consumers=2,
        writers=2,
        calm_seconds=(0.2, 0.6),
        overlap=0.0,
        faults={
            Kind.CONSUMER_KILLED: 2,
            Kind.CONSUMER_ENDED: 3,
            Kind.BROKER_KILLED: 1,
            Kind.DATABASE_KILLED: 1,
            Kind.HOSTILE_SENT: 20,
        },
    ),
}
