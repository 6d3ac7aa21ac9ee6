"""The trace and the id of a request are in the events that are made while it runs, and in those they cause."""

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient, Client
from msgspec.structs import replace

from consumers.registry import Handler
from consumers.testing import deliver
from publisher.testing import forwarded_events
from publisher.tracing import middleware, origin_of
from publisher.wire.event import new_event
from publisher.wire.origin import NOTHING, caused_by, current_origin

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LOGIN = {"username": "ada", "password": "demo"}
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
    with caused_by(replace(event(), id="1")):
        made = middleware(lambda request: event())(rf.get("/", headers=HEADERS))
    assert (made.causationid, *trace(made)) == ("1", None, None)
