"""The ids of an event beside its body: as a log has them, and as AMQP does."""

import json

import pytest
from msgspec.structs import replace
from pika import BasicProperties, frame

from publisher.wire.event import encode_event, new_event
from publisher.wire.frames import Message, publish
from publisher.wire.glance import correlation_of, told_of
from publisher.wire.ids import request_id, told, trace_id
from publisher.wire.origin import Origin

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACE = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


def encoded(data=None, **changes):
    one = new_event(source="/x", type="t", data=data or {}, subject=None, partitionkey=None)
    return encode_event(replace(one, **changes))


@pytest.mark.parametrize("text", ["r-1", 'a"b', "a\\", '\\"', "ü" * 127, "x" * 255, "\u2028", '","data":'])
def test_correlation_is_that_of_the_event_whatever_is_in_it(text):
    assert correlation_of(encoded(correlationid=text)) == text
    assert correlation_of(encoded({"correlationid": "other"}, correlationid=text, hops=3, causationid="c")) == text


@pytest.mark.parametrize(
    "body",
    [
        encoded(),
        encoded({"correlationid": "r-1"}),
        encoded({"kwargs": {"a": 1, "correlationid": "r-1"}}),
        encoded(subject=',"correlationid":"r-1"'),
        encoded(subject='x","correlationid":"r-1"'),
        encoded(correlationid=""),
        encoded(correlationid="x" * 256),
        encoded(correlationid="ü" * 128),
        encoded(data=None),
    ],
    ids=range(9),  # the bodies have the time in them
)
def test_correlation_is_absent_when_the_event_has_none_that_amqp_can_hold(body):
    assert correlation_of(body) is None


@pytest.mark.parametrize("given", [{}, {"message_id": "1"}, {"message_id": "1", "timestamp": 5, "type": "t"}])
def test_property_is_read_as_it_was_written(given):
    message = Message(routing_key="k", body=b"x", correlation_id="r-ü", **given)
    header = frame.Header(1, 1, BasicProperties(correlation_id="r-ü", delivery_mode=2, **given)).marshal()
    assert header in publish(1, "e", message, 1000)


def test_log_tells_of_trace_and_request():
    assert told(Origin(traceparent=TRACE, correlationid="r-1")) == f" trace={TRACE_ID} request=r-1"
    assert told(Origin(traceparent=TRACE)) == f" trace={TRACE_ID}"
    assert told(Origin(correlationid="r-1")) == " request=r-1"
    assert told(Origin()) == ""


@pytest.mark.parametrize("text", ["two words", "line\nERROR forged", "x" * 129, "", "ü", 5, None, ["r"]])
def test_log_tells_of_no_request_when_its_id_is_not_one_word(text):
    assert request_id(text) == ""
    assert told_of(json.dumps({"correlationid": text}).encode()) == ""


@pytest.mark.parametrize("text", ["nonsense", TRACE + "-more", TRACE.replace("4bf", "XYZ"), 5, None, {}])
def test_log_tells_of_no_trace_when_it_is_no_traceparent(text):
    assert trace_id(text) == ""
    assert told_of(json.dumps({"traceparent": text}).encode()) == ""


def test_log_tells_of_a_body_what_it_tells_of_its_event():
    assert told_of(encoded(traceparent=TRACE, correlationid="r-1")) == f" trace={TRACE_ID} request=r-1"
    assert told_of(memoryview(encoded(correlationid="r-1"))) == " request=r-1"


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"correlationid":', b'{"a":' * 100_000])
def test_log_tells_nothing_of_what_is_no_event(body):
    assert told_of(body) == ""
