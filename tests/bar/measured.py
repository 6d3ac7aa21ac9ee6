"""Handlers of one signal, as metrics show them: one ends well, one later, one never. With OpenTelemetry's SDK."""

from tests.bar.sdk import set_up_metrics
from tests.bar.traced import noted, refusing, wavering

__all__ = ["noted", "refusing", "wavering"]

set_up_metrics()
