"""The trace and the id of a request are in the events that are made while it runs, and in those they cause."""

import asyncio
import logging
import subprocess
import sys

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient, Client
from msgspec.structs import replace

from consumers import current_event
from consumers.handler import Handler
from consumers.testing import deliver
from publisher.testing import forwarded_events
from publisher.tracing import OriginFilter, middleware, origin_of
from publisher.wire.event import new_event
from publisher.wire.origin import NOTHING, current_origin, originating
from tests.stage import ROOT

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LOGIN = {"username": "ada", "password": "planted-password"}
HEADERS = {"traceparent": TRACE, "x-request-id": "r-1"}


def event():
    return new_event(source="/x", type="t", data={}, subject=None, partitionkey=None)


def trace(event):
    return event.traceparent, event.correlationid


@pytest.mark.django_db
def test_event_of_a_request_has_its_trace_and_id_and_the_next_request_has_not():
    User.objects.create_user(**LOGIN)
    with forwarded_events() as events:
        Client().post("/foo/login/", LOGIN, headers=HEADERS)
    with forwarded_events() as later:
        Client().post("/foo/login/", LOGIN)
    assert {trace(event) for event in events} == {(TRACE, "r-1")}
    assert {trace(event) for event in later} == {(None, None)}
    assert current_origin() == NOTHING


@pytest.mark.django_db(transaction=True)
def test_event_of_an_asgi_request_has_its_trace_and_id():
    User.objects.create_user(**LOGIN)
    with forwarded_events() as events:
        async_to_sync(AsyncClient().post)("/foo/login/", LOGIN, headers=HEADERS)
    assert {trace(event) for event in events} == {(TRACE, "r-1")}


@pytest.mark.django_db
def test_event_that_a_handler_sends_has_the_trace_of_the_event_it_handles():
    made = []
    first = replace(event(), traceparent=TRACE, correlationid="r-1")
    deliver(Handler(name="h", function=lambda _: made.append(event()), patterns=("#",)), first)
    assert trace(made[0]) == (TRACE, "r-1")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("traceparent", "nonsense"),
        ("traceparent", TRACE + "-more"),
        ("traceparent", f"00-{'0' * 32}-00f067aa0ba902b7-01"),
        ("traceparent", TRACE.replace("00-", "ff-", 1)),
        ("x-request-id", "two words"),
        ("x-request-id", "x" * 129),
        ("x-request-id", "ü"),
    ],
)
def test_header_is_left_out_when_it_is_not_what_it_should_be(rf, header, value):
    origin = origin_of(rf.get("/", headers={**HEADERS, header: value}))
    left = {"traceparent": (None, "r-1"), "x-request-id": (TRACE, None)}
    assert trace(origin) == left[header]


def test_request_within_a_handler_changes_nothing(rf):
    with originating(replace(event(), id="1")):
        made = middleware(lambda request: event())(rf.get("/", headers=HEADERS))
    assert (made.causationid, *trace(made)) == ("1", None, None)


def handled(function, event):
    deliver(Handler(name="h", function=function, patterns=("#",)), event)


@pytest.mark.django_db
def test_handler_and_what_it_awaits_know_the_event():
    seen = []

    def look():
        seen.append((current_event(), current_origin().traceparent))

    async def later(event):
        await asyncio.sleep(0)
        look()

    first, second = (replace(event(), traceparent=TRACE, routing_key="k") for _ in range(2))
    handled(lambda event: look(), first)
    handled(later, second)
    assert seen == [(first, TRACE), (second, TRACE)]
    assert current_event() is None


def test_no_event_is_handled_in_a_request(rf):
    assert middleware(lambda request: current_event())(rf.get("/", headers=HEADERS)) is None


@pytest.fixture
def logged(caplog):
    """The ids of what was logged, in a handler of the log that has the filter."""
    own = OriginFilter()
    caplog.handler.addFilter(own)
    yield lambda: [(record.event_id, record.trace_id, record.request_id) for record in caplog.records]
    caplog.handler.removeFilter(own)


@pytest.mark.django_db
def test_record_has_the_ids_of_the_event_that_is_handled(logged):
    def handle(event):
        logging.getLogger("some.library").warning("x")

    first = replace(event(), traceparent=TRACE, correlationid="r-1")
    handled(handle, first)
    handle(None)
    assert logged() == [(first.id, "4bf92f3577b34da6a3ce929d0e0e4736", "r-1"), ("-", "-", "-")]


def test_record_has_the_ids_of_the_request_that_is_answered(rf, logged):
    middleware(lambda request: logging.getLogger("some.view").warning("x"))(rf.get("/", headers=HEADERS))
    assert logged() == [("-", "4bf92f3577b34da6a3ce929d0e0e4736", "r-1")]


@pytest.mark.django_db
def test_record_has_no_id_that_would_not_be_one_word(logged):
    odd = replace(event(), traceparent="a b", correlationid="r\nERROR forged")
    handled(lambda event: logging.getLogger("x").warning("x"), odd)
    assert logged() == [(odd.id, "-", "-")]


def test_filter_imports_little_since_logging_is_set_up_first():
    code = """
import logging, logging.config, sys
logging.config.dictConfig({
    "version": 1,
    "filters": {"origin": {"()": "publisher.tracing.OriginFilter"}},
    "formatters": {"line": {"format": "%(message)s trace=%(trace_id)s"}},
    "handlers": {
        "line": {"class": "logging.StreamHandler", "stream": sys.stdout, "formatter": "line", "filters": ["origin"]}
    },
    "root": {"handlers": ["line"]},
})
logging.warning("hello")
print([name for name in ("msgspec", "django.http", "pika") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["hello trace=-", "[]"]
