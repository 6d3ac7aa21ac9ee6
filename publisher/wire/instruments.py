"""OpenTelemetry metrics: how long events waited, how long handlers took, what was published, what waits.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/
"""

from collections.abc import Iterable, Mapping

from opentelemetry.metrics import CallbackOptions, Observation, get_meter

from publisher.wire.metrics import Gauge
from publisher.wire.sender import Outcome

# Buckets in seconds: those of the semantic conventions and, for lags, longer ones, since an event may wait for hours.
DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
LAGS = (*DURATIONS, 30, 60, 300, 900, 3600, 21_600, 86_400)


class Instruments:
    """The instruments of this process, from the meter provider that the project has set up."""

    def __init__(self) -> None:
        self._meter = get_meter("signal_bridge")
        self._durations = self._meter.create_histogram(
            "messaging.process.duration",
            unit="s",
            description="How long a handler took for an event.",
            explicit_bucket_boundaries_advisory=DURATIONS,
        )
        self._lags = self._meter.create_histogram(
            "signal_bridge.process.lag",
            unit="s",
            description="From the signal to the beginning of its handler.",
            explicit_bucket_boundaries_advisory=LAGS,
        )

    def processed(
        self, queue: str, outcome: str, *, seconds: float, lag_seconds: float | None = None, error: str = ""
    ) -> None:
        """Record that a handler processed an event. `error` is the exception's class, or why it is a dead letter."""
        attributes = {**_attributes("process", queue), "signal_bridge.outcome": outcome}
        if lag_seconds is not None:
            self._lags.record(lag_seconds, attributes)
        self._durations.record(seconds, {**attributes, "error.type": error} if error else attributes)

    def observe_published(self, exchange: str, counts: Mapping[Outcome, int]) -> None:
        """Report `counts` (messages by outcome since the process started) whenever metrics are collected."""

        def observed(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(counts.get(outcome, 0), _sent(exchange, outcome)) for outcome in Outcome]

        self._meter.create_observable_counter(
            "messaging.client.sent.messages",
            [observed],
            unit="{message}",
            description="Messages that were published, and what became of them.",
        )

    def observe(self, gauge: Gauge, attributes: Mapping[str, str]) -> None:
        def observed(_: CallbackOptions) -> Iterable[Observation]:
            value = gauge.value()
            return [] if value is None else [Observation(value, attributes)]

        self._meter.create_observable_gauge(gauge.name, [observed], unit=gauge.unit, description=gauge.description)


def _sent(exchange: str, outcome: Outcome) -> Mapping[str, str]:
    attributes = _attributes("send", exchange)
    return attributes if outcome is Outcome.CONFIRMED else {**attributes, "error.type": outcome.value}


def _attributes(operation: str, destination: str) -> dict[str, str]:
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": operation,
        "messaging.destination.name": destination,
    }
