"""OpenTelemetry spans: one where an event is made, and one around each handler, linked by the event's traceparent.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
https://opentelemetry.io/docs/specs/semconv/cloudevents/cloudevents-spans/
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from publisher.wire.event import Event
from publisher.wire.origin import current_origin, furthest, origin_in, originating
from publisher.wire.routing import QUEUE_MARK

# Events have W3C trace contexts, whatever propagator the project uses.
_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("signal_bridge")

Attributes = dict[str, str | int]


class HasEvent(Protocol):
    """An event with its routing key."""

    @property
    def event(self) -> Event: ...
    @property
    def routing_key(self) -> str: ...


Made = TypeVar("Made", bound=HasEvent)


class Creating:
    """Makes events, each in a span of its own, whose context the event gets.

    The span's parent is the current span, or else the context of the request or of the event that is being handled.
    """

    def __init__(self, exchange: str, type: str) -> None:
        self._name = f"create {exchange}"
        self._attributes = {**_attributes("create", exchange), "cloudevents.event_type": type}

    def __call__(self, make: Callable[[], Made]) -> Made:
        origin = current_origin()
        within = None if trace.get_current_span().get_span_context().is_valid else _context(origin.traceparent)
        with (
            _tracer.start_as_current_span(self._name, within, SpanKind.PRODUCER, self._attributes) as span,
            originating(origin._replace(traceparent=_traceparent() or origin.traceparent)),
        ):
            made = make()
            if span.is_recording():
                span.set_attributes(_of(made.event, made.routing_key))
            return made


class Processing:
    """Wraps the handler of one queue in spans, which are linked to the spans in which the events were made."""

    def __init__(self, queue: str) -> None:
        self._name = f"process {queue}"
        self._attributes = _attributes("process", queue)

    def one(self, event: Event) -> AbstractContextManager[None]:
        """The span around the handling of one event: a child of the span in which the event was made."""
        within = _context(event.traceparent)
        return self._around(event, [event], within, _of(event, event.routing_key))

    def together(self, events: Sequence[Event]) -> AbstractContextManager[None]:
        """The span around the handling of a batch: a new trace, since each event may belong to another one."""
        return self._around(furthest(events), events, Context(), {"messaging.batch.message_count": len(events)})

    def partly_failed(self, exc: BaseException) -> None:
        """Mark the current span as failed, when a handler reports that it failed for a part of its batch."""
        span = trace.get_current_span()
        span.record_exception(exc)
        span.set_status(Status(StatusCode.ERROR, type(exc).__name__))

    @contextmanager
    def _around(self, cause: Event, events: Sequence[Event], within: Context, more: Attributes) -> Iterator[None]:
        # The link of an event without a trace is invalid, and the SDK leaves it out.
        links = [Link(trace.get_current_span(_context(event.traceparent)).get_span_context()) for event in events]
        attributes = {**self._attributes, **more}
        with (
            _tracer.start_as_current_span(self._name, within, SpanKind.CONSUMER, attributes, links),
            originating(origin_in(cause)._replace(traceparent=_traceparent() or cause.traceparent)),
        ):
            yield


def _attributes(operation: str, destination: str) -> Attributes:
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": destination,
    }


def _of(event: Event, routing_key: str) -> Attributes:
    """The attributes of an event: ids and names only, never payloads."""
    told = {
        "messaging.message.id": event.id,
        "messaging.message.conversation_id": event.correlationid,
        "messaging.rabbitmq.destination.routing_key": routing_key.removeprefix(QUEUE_MARK),
        "cloudevents.event_id": event.id,
        "cloudevents.event_source": event.source,
        "cloudevents.event_spec_version": event.specversion,
        "cloudevents.event_type": event.type,
        "cloudevents.event_subject": event.subject,
    }
    return {name: value for name, value in told.items() if value}


def _context(traceparent: str | None) -> Context:
    """The context of a traceparent; without one an empty context, with which a new trace begins."""
    return _propagator.extract({"traceparent": traceparent or ""}, Context())


def _traceparent() -> str | None:
    """The traceparent of the current span; None where there is none, as with an API without SDK."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")
