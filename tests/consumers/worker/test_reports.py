"""The line of the log that says what became of a delivery."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from consumers.handling.received import Received
from consumers.handling.results import Answered, Failed, GivenBack, Handled, dead
from consumers.worker.reports import report
from publisher.tracing import OriginFilter
from publisher.wire.event import decode_event

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
BODY = json.dumps({
    "specversion": "1.0", "id": "e1", "source": "/x", "type": "t", "correlationid": "r-1",
    "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01",
}).encode()  # fmt: skip
NOW = datetime.now(UTC)
EVENT = decode_event(BODY, "a.key")
RECEIVED = Received(body=BODY, routing_key="a.key")


@pytest.fixture
def reported(caplog):
    """What is said of a result: the first word and the ids of its record."""
    own = OriginFilter()
    caplog.handler.addFilter(own)
    caplog.set_level("INFO", "consumers.worker")

    def run(result, body=BODY):
        delivery = SimpleNamespace(body=body, properties=SimpleNamespace(message_id="e1"))
        report("bill", delivery, result, 0.0)
        return [
            (record.getMessage().split()[0], record.event_id, record.trace_id, record.request_id)
            for record in caplog.records
        ]

    yield run
    caplog.handler.removeFilter(own)


@pytest.mark.parametrize(
    ("result", "word"),
    [
        (Handled(event=EVENT, began=NOW), "handled"),
        (Answered(event=EVENT, began=NOW, body=b"{}"), "answered"),
        (Failed(received=RECEIVED, after=1.0, exception="builtins.KeyError"), "failed"),
        (dead("rejected", KeyError(), RECEIVED, "bill"), "dead"),
    ],
    ids=["handled", "answered", "failed", "dead"],
)
def test_record_has_the_ids_of_its_event(reported, result, word):
    assert reported(result) == [(word, "e1", TRACE_ID, "r-1")]


def test_record_has_the_messages_id_when_it_is_no_event(reported):
    assert reported(dead("malformed", ValueError(), RECEIVED, "bill"), body=b"{") == [("dead", "e1", "-", "-")]


@pytest.mark.parametrize("result", [Handled(event=None, began=NOW), GivenBack()], ids=["not called", "given back"])
def test_nothing_is_said_when_nothing_became_of_it(reported, result):
    assert reported(result) == []


def test_place_is_left_out_when_the_exception_was_never_raised(reported, caplog):
    reported(dead("failed", ValueError(), RECEIVED, "bill"))
    assert caplog.messages[0].endswith("reason=failed: builtins.ValueError")
