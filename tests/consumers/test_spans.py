"""Spans of OpenTelemetry, by its real SDK: of each event that is made, and around each handler of it."""

import json
from threading import Event as Flag

import pytest
from django.contrib.auth.models import User
from django.test import Client
from msgspec.structs import replace

from consumers import current_event
from consumers.exceptions import BatchFailed, Retry
from consumers.handler import Handler, triggers_of
from consumers.handling.received import Received
from consumers.testing import deliver, deliver_batch
from consumers.worker.asked import Asked
from publisher.offload import offload
from publisher.testing import forwarded_events
from publisher.tracing import current_origin
from publisher.wire import spans
from publisher.wire.errors import NotEncodable
from publisher.wire.event import encode_event, new_event
from publisher.wire.origin import Origin, originating
from tests.foo.models import Article
from tests.foo.signals import article_flagged, user_login
from tests.stage import eventually

SAVED = "db.post_save.foo.article"
TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACE = f"00-{TRACE_ID}-{SPAN_ID}-01"
UNSAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-00"
LOGIN = {"username": "ada", "password": "demo"}


class Sdk:
    """The spans that have ended, by name, and what makes them."""

    def __init__(self):
        # Not at the top: whoever imports it has spans.
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self.exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("tests")

    def ended(self, word):
        return [span for span in self.exporter.get_finished_spans() if span.name.startswith(word)]


def receive(sender, **kwargs):
    """Offloaded by a test."""


def traceparent(context):
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


@pytest.fixture
def sdk(monkeypatch):
    """This process as one that is traced; the tests of others are not."""
    assert not spans.are_made()
    sdk = Sdk()
    monkeypatch.setattr(spans, "are_made", lambda: True)
    monkeypatch.setattr("publisher.wire.telemetry._tracer", sdk.tracer)
    return sdk


@pytest.fixture
def sending(sdk, settings):
    """Signals whose forwarder is made anew, with spans."""
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE}
    return sdk


def handler(function, **more):
    return Handler(**{"name": "h", "function": function, "patterns": (SAVED,), **more})


def saved(**changes):
    login = "tests.foo.signals.user_login"
    event = new_event(source="/tests", type=login, data={"kwargs": {}}, subject=None, partitionkey=None)
    return replace(event, **{"routing_key": SAVED, **changes})


@pytest.mark.django_db
def test_event_carries_the_context_of_the_span_it_was_made_in(sending):
    with forwarded_events() as events:
        Article.objects.create(title="x")
    (span,) = sending.ended("create")
    (event,) = events
    assert event.traceparent == traceparent(span.context)
    assert (span.name, span.kind.name, span.parent) == ("create tests", "PRODUCER", None)
    assert dict(span.attributes) == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "create",
        "messaging.operation.type": "create",
        "messaging.destination.name": "tests",
        "messaging.rabbitmq.destination.routing_key": SAVED,
        "messaging.message.id": event.id,
        "cloudevents.event_id": event.id,
        "cloudevents.event_source": "/tests",
        "cloudevents.event_spec_version": "1.0",
        "cloudevents.event_type": "django.db.models.signals.post_save",
        "cloudevents.event_subject": event.subject,
    }


@pytest.mark.django_db
def test_span_of_the_process_wins_over_the_header(sending):
    User.objects.create_user(**LOGIN)
    headers = {"traceparent": TRACE, "x-request-id": "r-1"}
    with sending.tracer.start_as_current_span("request") as request, forwarded_events() as events:
        Client().post("/foo/login/", LOGIN, headers=headers)
    created = sending.ended("create")
    assert {span.parent.span_id for span in created} == {request.context.span_id}
    assert {event.traceparent for event in events} == {traceparent(span.context) for span in created}
    assert {span.attributes["messaging.message.conversation_id"] for span in created} == {"r-1"}


@pytest.mark.django_db
def test_span_belongs_to_the_header_when_the_process_has_none(sending):
    User.objects.create_user(**LOGIN)
    with forwarded_events() as events:
        Client().post("/foo/login/", LOGIN, headers={"traceparent": TRACE})
    created = sending.ended("create")
    assert {traceparent(span.parent) for span in created} == {TRACE}
    assert {event.traceparent for event in events} == {traceparent(span.context) for span in created}


@pytest.mark.django_db
def test_event_says_that_it_is_not_sampled_when_its_request_is_not(sending):
    User.objects.create_user(**LOGIN)
    with forwarded_events() as events:
        Client().post("/foo/login/", LOGIN, headers={"traceparent": UNSAMPLED})
    assert {(event.traceparent[3:35], event.traceparent[-3:]) for event in events} == {(TRACE_ID, "-00")}
    called = []
    deliver(handler(lambda event: called.append(current_origin().traceparent[-3:])), saved(traceparent=UNSAMPLED))
    assert called == ["-00"]
    assert sending.exporter.get_finished_spans() == ()


@pytest.mark.django_db
def test_span_has_failed_when_its_event_cannot_be_encoded(sending, settings):
    rule = {"signal": "tests.foo.signals.article_flagged", "strict": True}
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "FORWARD": [rule]}
    with pytest.raises(NotEncodable):
        article_flagged.send(None, n=object())
    (span,) = sending.ended("create")
    assert span.status.status_code.name == "ERROR"


@pytest.mark.django_db
def test_handler_runs_in_a_span_that_is_child_of_and_linked_to_the_one_of_its_event(sdk):
    seen = []

    def handle(event):
        seen.append(current_origin().traceparent)
        with sdk.tracer.start_as_current_span("own"):
            pass

    event = saved(traceparent=TRACE, correlationid="r-1")
    deliver(handler(handle), event)
    (span,), (own,) = sdk.ended("process"), sdk.ended("own")
    assert (span.name, span.kind.name) == ("process tests.h", "CONSUMER")
    assert traceparent(span.parent) == TRACE
    assert [traceparent(link.context) for link in span.links] == [TRACE]
    assert own.parent.span_id == span.context.span_id
    assert seen == [traceparent(span.context)]
    expected = {
        "messaging.operation.type": "process",
        "messaging.destination.name": "tests.h",
        "messaging.message.id": event.id,
        "messaging.message.conversation_id": "r-1",
        "messaging.rabbitmq.destination.routing_key": SAVED,
        "cloudevents.event_type": event.type,
    }
    assert expected.items() <= dict(span.attributes).items()
    assert (span.status.status_code.name, span.events) == ("UNSET", ())


@pytest.mark.django_db
def test_event_of_a_handler_belongs_to_the_span_of_the_handler(sending):
    with forwarded_events() as events:
        deliver(handler(lambda event: Article.objects.create(title="x")), saved(traceparent=TRACE))
    (process,), (create,) = sending.ended("process"), sending.ended("create")
    assert create.parent.span_id == process.context.span_id
    assert [event.traceparent for event in events] == [traceparent(create.context)]


@pytest.mark.django_db
@pytest.mark.parametrize("foreign", [None, "nonsense", f"00-{'0' * 32}-{SPAN_ID}-01"])
def test_trace_begins_with_the_handler_when_its_event_has_none(sdk, foreign):
    seen = []
    deliver(handler(lambda event: seen.append(current_origin().traceparent)), saved(traceparent=foreign))
    (span,) = sdk.ended("process")
    assert (span.parent, span.links) == (None, ())
    assert seen == [traceparent(span.context)]


@pytest.mark.django_db
@pytest.mark.parametrize("exc", [ValueError("no"), Retry("later")])
def test_span_has_the_exception_of_a_handler_that_fails(sdk, exc):
    def fail(event):
        raise exc

    deliver(handler(fail), saved(traceparent=TRACE), raise_exceptions=False)
    (span,) = sdk.ended("process")
    assert span.status.status_code.name == "ERROR"
    (recorded,) = span.events
    assert recorded.attributes["exception.type"].endswith(type(exc).__name__)
    assert current_origin().event is None


@pytest.mark.django_db
def test_batch_is_a_trace_of_its_own_and_linked_to_those_of_its_events(sdk):
    batch = [saved(traceparent=TRACE), saved(), saved(traceparent=TRACE.replace("4bf", "abc"), hops=3)]
    causes = []
    deliver_batch(handler(lambda events: causes.append(current_event().id), batch=10), batch)
    (span,) = sdk.ended("process")
    assert span.parent is None
    assert [traceparent(link.context) for link in span.links] == [batch[0].traceparent, batch[2].traceparent]
    assert span.attributes["messaging.batch.message_count"] == 3
    assert causes == [batch[2].id]


@pytest.mark.django_db
def test_span_of_a_batch_has_failed_when_a_part_of_it_did(sdk):
    batch = [saved(), saved()]

    def fail(events):
        raise BatchFailed({batch[0].id: ValueError("no")})

    became = deliver_batch(handler(fail, batch=10), batch, raise_exceptions=False)
    assert [one.became for one in became] == ["retried", "handled"]
    (span,) = sdk.ended("process")
    assert span.status.status_code.name == "ERROR"
    assert [event.name for event in span.events] == ["exception"]


@pytest.mark.django_db
def test_question_is_answered_in_a_span_as_well(sdk):
    ask = Handler(name="ask", function=lambda **kwargs: True, triggers=triggers_of((user_login,)), ask=True)
    body = encode_event(saved(traceparent=TRACE))
    Asked(ask, "tests.ask", stop=Flag())(Received(body=body, routing_key=SAVED))
    (span,) = sdk.ended("process tests.ask")
    assert traceparent(span.parent) == TRACE


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("rule", "exchange"), [({"delivery": "ask", "timeout": 0.01}, "tests.ask"), ({"delivery": "direct"}, "tests")]
)
def test_span_names_the_exchange_that_its_event_goes_to(sending, settings, rule, exchange):
    rule = {"signal": "tests.foo.signals.article_flagged", **rule}
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "FORWARD": [rule]}
    article_flagged.send(None, n=1)
    (span,) = sending.ended("create")
    assert (span.name, span.attributes["messaging.destination.name"]) == (f"create {exchange}", exchange)


@pytest.mark.django_db
def test_span_names_the_queue_when_its_event_is_for_an_offloaded_receiver_alone(sending, settings):
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "OFFLOAD": [f"{__name__}.receive"]}
    article_flagged.connect(receive)
    try:
        offload.connect()
        article_flagged.send(None, n=1)
    finally:
        offload.disconnect()
        article_flagged.disconnect(receive)
    span = sending.ended("create")[-1]
    assert span.attributes["messaging.destination.name"] == "tests.offload"
    assert span.attributes["messaging.rabbitmq.destination.routing_key"].startswith("tests.")


def test_trace_goes_from_a_request_through_handlers_in_another_process(stage):
    stage.env |= {"TEST_HANDLERS": "tests.bar.spanned", "TEST_SPANS": str(stage.folder / "spans")}
    stage.manage("topology", "--declare")
    stage.python(f"""
from tests.bar.sdk import set_up, tracer
set_up()
from django.contrib.auth.models import User
from django.test import Client
User.objects.create_user("ada", password="demo")
with tracer.start_as_current_span("request"):
    Client().post("/foo/login/", {LOGIN!r})
""")
    stage.manage("relay", "--once")
    stage.manage("consume", "writing", "--until-empty")
    stage.manage("relay", "--once")
    stage.manage("consume", "reading", "--until-empty")

    def found():
        return [json.loads(line) for line in (stage.folder / "spans").read_text().splitlines()]

    by_id = {span["context"]["span_id"]: span for span in eventually(found)}
    (reading,) = [span for span in by_id.values() if span["name"].endswith(".reading")]
    way = []
    span = reading
    while span is not None:
        way.append(span["name"].partition(" ")[0])
        span = by_id.get(span["parent_id"])
    assert way == ["process", "create", "own", "process", "create", "request"]
    assert len({span["context"]["trace_id"] for span in by_id.values()}) == 1
    assert [link["context"]["span_id"] for link in reading["links"]] == [reading["parent_id"]]
    ((_, told, _),) = stage.seen("reading")
    assert told.split("-")[2] == reading["parent_id"].removeprefix("0x")


def test_events_are_made_and_handled_when_opentelemetry_is_not_installed(stage):
    printed = stage.python("""
import sys
sys.modules["opentelemetry"] = None
from consumers import current_event
from consumers.handler import Handler
from consumers.testing import deliver
from publisher.testing import forwarded_events
from publisher.wire.origin import Origin, originating
from tests.foo.models import Article
with forwarded_events() as events:
    Article.objects.create(title="x")
seen = []
handler = Handler(name="h", function=lambda event: seen.append(current_event().id), patterns=("#",))
print(deliver(handler, events[0]).became, seen == [events[0].id], events[0].traceparent)
""")
    assert printed.split() == ["handled", "True", "None"]


def test_nothing_of_opentelemetry_is_imported_when_the_process_does_not(stage):
    printed = stage.python("""
import sys
from consumers.handler import Handler
from consumers.testing import deliver
from publisher.testing import forwarded_events
from publisher.wire.origin import Origin, originating
from tests.foo.models import Article
with forwarded_events() as events:
    Article.objects.create(title="x")
deliver(Handler(name="h", function=print, patterns=("#",)), events[0])
print([name for name in sys.modules if name.startswith("opentelemetry") or name.endswith("telemetry")])
""")
    assert printed.splitlines()[-1] == "[]"


def test_event_has_the_trace_of_the_header_when_there_is_an_api_and_no_sdk(stage):
    printed = stage.python(f"""
import opentelemetry.trace
from publisher.testing import forwarded_events
from publisher.wire import spans
from publisher.wire.origin import Origin, originating
from publisher.wire.origin import Origin, originating
from tests.foo.models import Article
with forwarded_events() as events:
    Article.objects.create(title="x")
    with originating(Origin(traceparent={TRACE!r})):
        Article.objects.create(title="x")
print(spans.are_made(), *(event.traceparent for event in events))
""")
    assert printed.split() == ["True", "None", TRACE]


@pytest.mark.django_db
def test_trace_of_the_header_goes_on_when_an_old_api_without_an_sdk_makes_no_span(sending, monkeypatch):
    from opentelemetry import trace

    class Old:
        def start_as_current_span(self, *args):
            return trace.use_span(trace.INVALID_SPAN)

    monkeypatch.setattr("publisher.wire.telemetry._tracer", Old())
    with forwarded_events() as events, originating(Origin(traceparent=TRACE)):
        Article.objects.create(title="x")
    assert [event.traceparent for event in events] == [TRACE]
    seen = []
    deliver(handler(lambda event: seen.append(current_origin().traceparent)), saved(traceparent=TRACE))
    assert seen == [TRACE]
