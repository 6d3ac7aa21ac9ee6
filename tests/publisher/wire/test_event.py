"""The event as bytes, and what is no event."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from publisher.wire.errors import MalformedEvent
from publisher.wire.event import Event, decode_event, encode_event, new_event, seconds_of
from publisher.wire.origin import originating

LEAST = {"specversion": "1.0", "id": "1", "source": "/x", "type": "a.b"}


def event(**data):
    return new_event(source="/blog", type="blog.signals.x", subject="blog.comment/1", partitionkey="p", data=data)


def body(**changes):
    return json.dumps({**LEAST, **changes}).encode()


def test_event_comes_back_when_it_was_encoded():
    one = event(sender=None, kwargs={"a": 1}, types={})
    assert decode_event(encode_event(one)) == one


def test_body_has_the_attributes_of_a_cloudevent():
    written = json.loads(encode_event(event(kwargs={})))
    assert written.keys() == {
        "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "partitionkey", "data",
    }  # fmt: skip
    assert (written["specversion"], written["datacontenttype"]) == ("1.0", "application/json")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z", written["time"])


def test_attributes_are_left_out_when_they_have_no_value():
    one = new_event(source="/x", type="t", data={}, subject=None, partitionkey=None)
    absent = {"subject", "partitionkey", "traceparent", "causationid", "hops", "routing_key"}
    assert absent.isdisjoint(json.loads(encode_event(one)))


def test_ids_are_unique_and_in_order_when_many_are_made():
    ids = [event().id for _ in range(1000)]
    assert ids == sorted(set(ids))
    assert {each[14] for each in ids} == {"7"}


def test_time_is_now_when_an_event_is_made():
    assert abs(datetime.now(UTC) - event().time) < timedelta(seconds=5)


class Frozen(datetime):
    """As freezegun puts it in the place of `datetime`."""


def test_time_is_written_when_tests_have_frozen_it():
    real, frozen = (replace(event(), time=kind(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC)) for kind in (datetime, Frozen))
    assert json.loads(encode_event(frozen))["time"] == json.loads(encode_event(real))["time"]


def test_routing_key_is_known_when_received():
    assert decode_event(body(), "auth.user_logged_in").routing_key == "auth.user_logged_in"


def test_cause_and_hops_are_in_the_body_when_a_handler_makes_the_event():
    with originating(replace(event(), id="second", hops=1)):
        written = json.loads(encode_event(event()))
    assert (written["causationid"], written["hops"]) == ("second", 2)


@pytest.mark.parametrize("hops", [-1, "2", 2**31, 2**70, 1.5, True, None, [], {}])
def test_hops_count_as_absent_when_they_are_no_count(hops):
    assert decode_event(body(hops=hops, data={"a": 2**70}), "k") == decode_event(body(data={"a": 2**70}), "k")


@pytest.mark.parametrize("value", [5, 1.5, True, [], {"a": "b"}])
@pytest.mark.parametrize("name", ["partitionkey", "traceparent", "correlationid", "causationid"])
def test_extension_counts_as_absent_when_it_is_no_text(name, value):
    usable = {"partitionkey": "p", "traceparent": "t", "correlationid": "r", "causationid": "c", "hops": 3}
    time = {"time": "2026-11-23T08:00:00.123456Z"}
    expected = replace(decode_event(body(**usable, **time), "k"), **{name: None})
    assert decode_event(body(**{**usable, name: value}, **time), "k") == expected


def test_event_is_malformed_when_more_than_an_extension_is_odd():
    with pytest.raises(MalformedEvent, match=r"not a CloudEvent: .*\$\.id"):
        decode_event(body(hops="many", id=5))
    with pytest.raises(MalformedEvent, match="not a CloudEvent"):
        decode_event(b'{"hops": "many", "data": ' + b"[" * 100_000)
    with pytest.raises(MalformedEvent, match="not a CloudEvent"):
        decode_event(b'{"hops": "many", "data": nonsense')


def test_attributes_that_another_publisher_adds_are_extensions():
    one = decode_event(body(dataschema="https://example.org", my="x", vip=True, level=5, hops=2), "k")
    assert one.extensions == {"dataschema": "https://example.org", "my": "x", "vip": True, "level": 5}
    assert (one.id, one.hops, one.routing_key) == ("1", 2, "k")


@pytest.mark.parametrize("value", [None, 1.5, [], {"a": "b"}])
def test_foreign_attribute_counts_as_absent_when_it_is_of_no_type_of_an_extension(value):
    assert decode_event(body(my=value, other="x")) == decode_event(body(other="x"))


def test_extensions_are_beside_other_attributes_when_encoded():
    one = replace(event(a=1), extensions={"tenant": "acme", "vip": True})
    assert json.loads(encode_event(one)) == {**json.loads(encode_event(event(a=1))), "id": one.id, "tenant": "acme",
                                             "vip": True, "time": json.loads(encode_event(one))["time"]}  # fmt: skip
    assert decode_event(encode_event(one)) == one


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"\x80\x04\x95.",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        *(json.dumps({key: LEAST[key] for key in LEAST if key != missing}).encode() for missing in LEAST),
        body(specversion="0.3"),
        body(specversion=1.0),
        body(id=""),
        body(id=5),
        body(source=""),
        body(type=""),
        body(type=None),
        body(time="yesterday"),
        body(subject=5),
        body() + b"{}",
    ],
    ids=lambda value: repr(value[:40]),
)
def test_decode_says_it_is_no_event_when_it_is_none(bad):
    with pytest.raises(MalformedEvent, match="not a CloudEvent"):
        decode_event(bad)


@pytest.mark.parametrize(
    "data", [None, 5, "text", [], {}, {"kwargs": None}, {"kwargs": []}, {"types": 5}, {"sender": None}], ids=repr
)
def test_kwargs_are_empty_when_the_event_is_foreign(data):
    one = decode_event(body(data=data))
    assert (one.kwargs, one.sender, one.sender_instance) == ({}, None, None)


def test_kwargs_are_decoded_when_the_sidecar_says_so():
    one = decode_event(body(data={"kwargs": {"a": "1.50", "b": "1.50"}, "types": {"kwargs.a": "decimal"}}))
    assert one.kwargs == {"a": Decimal("1.50"), "b": "1.50"}


@pytest.mark.parametrize(
    ("plain", "types"),
    [
        ("x", {"kwargs.a": "decimal"}),
        (None, {"kwargs.a": "decimal"}),
        ("x", {"kwargs.a": "datetime"}),
        (5, {"kwargs.a": "bytes"}),
        ("9" * 5000, {"kwargs.a": "int"}),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], {"kwargs.a": "timedelta"}),
        ([[1]], {"kwargs.a": "set"}),
        ([1], {"kwargs.a": "mapping"}),
        ("x", {"kwargs.a": 5}),
        ("x", ["decimal"]),
        ("x", "decimal"),
        ({"model": 5, "pk": 1, "fields": {}}, {}),
        ({"model": "foo.tag", "pk": 1, "fields": 5}, {}),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_kwargs_say_what_is_malformed_when_a_value_is_not_of_its_tag(plain, types):
    one = decode_event(body(data={"kwargs": {"a": plain}, "types": types}))
    with pytest.raises(MalformedEvent):
        _ = one.kwargs


def test_event_cannot_be_changed_when_it_was_made():
    with pytest.raises(AttributeError):
        event().id = "other"


def test_seconds_are_those_of_the_id_when_it_is_a_uuid7():
    assert abs(seconds_of(event().id) - datetime.now(UTC).timestamp()) < 5


@pytest.mark.parametrize("other", ["", "1", "x" * 36, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"])
def test_seconds_are_unknown_when_the_id_is_another_ones(other):
    assert seconds_of(other) is None


def test_event_takes_no_empty_ids_when_built_from_json():
    assert isinstance(decode_event(body(id="\u00e9")), Event)
