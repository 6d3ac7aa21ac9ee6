"""The strangers' messages are what they claim to be."""

import struct

import pytest
from pika import frame, spec

from publisher.wire.errors import MalformedEvent
from publisher.wire.event import decode_event
from tests.chaos.hostile import BODIES, HEADERS_ALONE, HOSTILE, KEY, event, text
from tests.chaos.raw import Raw


def header_frame(properties):
    payload = struct.pack(">HHQ", spec.Basic.INDEX, 0, 0) + properties
    return struct.pack(">BHL", 2, 1, len(payload)) + payload + b"\xce"


def test_there_are_twenty_and_their_bodies_tell_them_apart():
    assert len({hostile.body for hostile in HOSTILE}) == len(HOSTILE) == 20


@pytest.mark.parametrize("name", [name for name in BODIES if name != "a signal that is not there"])
def test_body_is_no_event(name):
    with pytest.raises(MalformedEvent):
        decode_event(BODIES[name]).kwargs.get("instance")


@pytest.mark.parametrize("name", HEADERS_ALONE)
def test_pika_cannot_decode_the_header(name):
    with pytest.raises((RecursionError, OSError, ValueError, OverflowError)):
        frame.decode_frame(header_frame(HEADERS_ALONE[name]))


def test_event_would_be_taken_for_a_save_if_nothing_were_wrong_with_it():
    assert decode_event(text("x")).kwargs["instance"].fields["label"] == event("x")["id"]


def test_broker_takes_all_of_them_and_gives_them_back_as_they_are(broker_url, queues):
    queues.bind("hostile", KEY)
    with Raw(broker_url) as raw:
        for hostile in HOSTILE:
            raw.publish(queues.exchange, KEY, hostile.properties, hostile.body)
        assert raw.count(queues.name("hostile")) == len(HOSTILE)
        assert raw.take(queues.name("hostile")) == [hostile.body for hostile in HOSTILE]
    queues.delete("hostile")
    queues.channel.exchange_delete(queues.exchange)
