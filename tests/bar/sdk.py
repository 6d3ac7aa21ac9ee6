"""OpenTelemetry's SDK, set up as a project would, with its spans and metrics in files."""

import os
from pathlib import Path

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

HOUR_MILLISECONDS = 3_600_000

tracer = trace.get_tracer("tests")


class Written(SpanExporter):
    def export(self, spans):
        with Path(os.environ["TEST_SPANS"]).open("a") as file:
            file.writelines(span.to_json(indent=None) + "\n" for span in spans)
        return SpanExportResult.SUCCESS


def set_up():
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Written()))
    trace.set_tracer_provider(provider)


def set_up_metrics():
    """They are collected once, when the process ends."""
    file = Path(os.environ["TEST_METRICS"]).open("a")  # noqa: SIM115
    exporter = ConsoleMetricExporter(file, formatter=lambda data: data.to_json(indent=None) + "\n")
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=HOUR_MILLISECONDS)
    metrics.set_meter_provider(MeterProvider([reader]))
