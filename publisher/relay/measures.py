"""A relay's OpenTelemetry metrics: what it published, and what waits in its outbox."""

from collections.abc import Callable, Mapping

from django.db import Error as DatabaseTrouble
from django.db import connections

from publisher import conf
from publisher.outbox.ledger import oldest_seconds
from publisher.outbox.parked import parked
from publisher.outbox.waiting import outbox
from publisher.wire.metrics import Gauge, instruments
from publisher.wire.sender import Outcome


def measure_relay(using: str, counts: Mapping[Outcome, int]) -> None:
    """Set the metrics up, once in a process. They read `counts` whenever metrics are collected."""
    measured = instruments()
    if measured is None:
        return
    measured.observe_published(conf.exchange(), counts)
    for gauge in gauges(using):
        measured.observe(gauge, {"signal_bridge.database": using})


def gauges(using: str) -> list[Gauge]:
    return [
        Gauge(
            name="signal_bridge.outbox.pending",
            unit="{event}",
            description="Events that wait for the relay.",
            value=_looking(using, lambda: outbox(using).count()),
        ),
        Gauge(
            name="signal_bridge.outbox.oldest",
            unit="s",
            description="The age of the oldest event that waits for the relay, since its signal was sent, or 0.",
            value=_looking(using, lambda: oldest_seconds(using) or 0.0),
        ),
        Gauge(
            name="signal_bridge.outbox.parked",
            unit="{event}",
            description="Events that the broker will never take.",
            value=_looking(using, lambda: parked(using).refused().count()),
        ),
        Gauge(
            name="signal_bridge.outbox.kept",
            unit="{event}",
            description="Events that wait until a queue is bound.",
            value=_looking(using, lambda: parked(using).kept().count()),
        ),
    ]


def _looking(using: str, look: Callable[[], float]) -> Callable[[], float | None]:
    """What `look` returns, or None when the database fails.

    Each look closes its connection, since the SDK's thread looks rarely, or may be a new one each time.
    """

    def value() -> float | None:
        try:
            return look()
        except DatabaseTrouble:
            return None
        finally:
            connections[using].close()

    return value
