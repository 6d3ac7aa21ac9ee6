"""Values through real JSON bytes and back."""

import json
import math
import sys
import uuid
from collections import OrderedDict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from zoneinfo import ZoneInfo

import msgspec
import pytest

from publisher.wire.codec import Encoding, decode, decodes, encodes
from publisher.wire.errors import NotEncodable
from tests.ids import plain

BERLIN = ZoneInfo("Europe/Berlin")


class Colour(Enum):
    RED = "red"
    PAIR = (1, Decimal("2.5"))


class Level(IntEnum):
    HIGH = 3


class Word(StrEnum):
    YES = "yes"


class Access(Flag):
    READ = 1
    WRITE = 2


class Mode(IntFlag):
    A = 1
    B = 2


class Outer:
    class Inner(Enum):
        ONE = 1


def sent(value):
    """What leaves: plain JSON and the sidecar, as the bytes say it."""
    encoding = Encoding()
    plain = encoding.encode(value, "kwargs.x")
    body = msgspec.json.encode({"x": plain, "types": encoding.types})
    return json.loads(body, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def travelled(value):
    received = sent(value)
    return decode({"x": received["x"]}, received["types"])["x"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        "",
        "Grüße \U0001f4ee \0 \u2028",
        0,
        -1,
        2**53 + 1,
        2**63 - 1,
        -(2**63),
        2**63,
        10**100,
        1.5,
        -0.0,
        1e308,
        1j,
        math.inf,
        -math.inf,
        Decimal("9.90"),
        Decimal("1E+5"),
        Decimal("-0.00"),
        Decimal("Infinity"),
        Decimal("0.1234567890123456789012345678901234567890"),
        uuid.UUID(int=2**128 - 1),
        date(1, 1, 1),
        datetime(2026, 11, 23, 8, 0, 0, 123456),
        datetime(2026, 11, 23, 8, tzinfo=UTC),
        datetime(2026, 11, 23, 8, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        datetime(2026, 7, 1, 8, tzinfo=BERLIN),
        datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN),
        datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
        datetime(2026, 7, 1, 8, tzinfo=ZoneInfo("UTC")),
        datetime.max,
        time(12, 30, 1, 5),
        time(12, 30, tzinfo=UTC),
        time(12, 30, tzinfo=BERLIN),
        complex("inf-2j"),
        timedelta(days=-1, microseconds=1),
        timedelta.max,
        b"",
        b"\x00\xff",
        [],
        {},
        (),
        set(),
        frozenset(),
        [1, [2, [Decimal("3")]]],
        (1, ("a", (Decimal("2"), [b"x"]))),
        {1, "a", Decimal("2")},
        frozenset({(1, 2), frozenset({3})}),
        {"a": {"b": [{"c": Decimal("1")}]}},
        {1: "a", (1, Decimal("2")): {"b": b"x"}, None: None},
        {True: 2},
        {"a.b": Decimal("1"), "a": {"b": 2}},
        {"": Decimal("1"), "0": 1, " ": 2},
        {"model": "no.model", "pk": 1, "fields": {"a": Decimal("1")}},
        {"model": 1, "pk": 2, "fields": 3, "more": (4,)},
        {"model": "only", "pk": 1},
        {"type": "decimal", "repr": "no"},
        Colour.RED,
        Colour.PAIR,
        Level.HIGH,
        Word.YES,
        Access.READ,
        Access.READ | Access.WRITE,
        Access(0),
        Mode.A | Mode.B,
        Outer.Inner.ONE,
        [Colour.RED, {"level": Level.HIGH}],
    ],
    ids=plain,
)
def test_value_comes_back_as_it_was_when_sent_as_json(value):
    result = travelled(value)
    assert result == value
    assert type(result) is type(value)
    assert repr(result) == repr(value) or isinstance(value, set | frozenset)


@pytest.mark.parametrize("value", [10**5000, -(10**5000)], ids=["huge", "-huge"])
def test_number_comes_back_when_it_is_too_long_to_be_written_in_tens(value):
    assert travelled(value) == value


@pytest.mark.parametrize("value", [math.nan, Decimal("NaN"), Decimal("sNaN")], ids=plain)
def test_nan_comes_back_when_it_equals_nothing(value):
    assert repr(travelled(value)) == repr(value)


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"ab"), b"ab"),
        (OrderedDict(a=Decimal("1")), {"a": Decimal("1")}),
        (namedtuple("Point", "x y")(1, 2), (1, 2)),
        (type("Text", (str,), {})("a"), "a"),
        (type("Number", (int,), {})(7), 7),
        (type("Real", (float,), {})(7.5), 7.5),
    ],
    ids=plain,
)
def test_subclass_arrives_as_what_it_is_built_on_when_it_has_no_encoder(value, arrives):
    result = travelled(value)
    assert (result, type(result)) == (arrives, type(arrives))


def test_zone_survives_when_the_time_is_ambiguous():
    before, after = (travelled(datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=fold)) for fold in (0, 1))
    assert (before.utcoffset(), after.utcoffset()) == (timedelta(hours=2), timedelta(hours=1))
    assert after.tzinfo.key == "Europe/Berlin"


def test_sidecar_names_by_path_what_json_cannot_say():
    assert sent({"a": [1, Decimal("2")], "b": datetime(2026, 11, 23, 8, tzinfo=UTC), "c": "plain"}) == {
        "x": {"a": [1, "2"], "b": "2026-11-23T08:00:00Z", "c": "plain"},
        "types": {"kwargs.x.a.1": "decimal", "kwargs.x.b": "datetime"},
    }


def test_sidecar_is_empty_when_json_says_it_all():
    assert sent({"a": [1, 2.5, None, True, {"b": "text"}]})["types"] == {}


def test_unknown_tag_leaves_the_plain_value():
    assert decode({"x": "EUR 5", "y": [1]}, {"kwargs.x": "money:v2", "kwargs.y": "quaternion"}) == {
        "x": "EUR 5",
        "y": [1],
    }


def test_tag_of_a_path_that_is_not_there_does_nothing():
    assert decode({"x": 1}, {"kwargs.y.0": "decimal", "elsewhere": "set"}) == {"x": 1}


@pytest.mark.parametrize(
    "tag",
    [
        "enum:this:s:x",
        "enum:antigravity:fly:x",
        "enum:concurrent.futures:ProcessPoolExecutor:x",
        "enum:os:environ:PATH",
        "enum:os:system:x",
        "enum:builtins:__import__:x",
        "enum:sys:modules:os",
        "enum:::",
        "enum",
        "enum:" + __name__ + ":Colour:GREEN",
        "enum:" + __name__ + ":Outer.Missing:ONE",
        "enum:" + __name__ + ":Colour.RED:ONE",
    ],
)
def test_enum_tag_imports_nothing_when_it_is_hostile(tag):
    sys.modules.pop("concurrent.futures.process", None)
    before = set(sys.modules)
    assert decode({"x": "plain"}, {"kwargs.x": tag}) == {"x": "plain"}
    assert set(sys.modules) == before


@pytest.mark.parametrize("zone", ["No/Where", "../../etc/passwd", "/etc/passwd", "Europe", "\0"])
def test_time_keeps_its_offset_when_the_zone_is_not_known_here(zone):
    value = decode({"x": "2026-07-01T08:00:00+02:00"}, {"kwargs.x": f"datetime:{zone}"})["x"]
    assert value == datetime(2026, 7, 1, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", [object(), type("Odd", (), {})(), iter([]), (n for n in [])], ids=lambda value: type(value).__name__
)
def test_encode_raises_and_names_path_and_type_when_there_is_no_encoder(value):
    with pytest.raises(NotEncodable) as caught:
        Encoding().encode({"a": [value]}, "kwargs.x")
    assert (caught.value.path, caught.value.kind) == ("kwargs.x.a.0", type(value))
    assert "kwargs.x.a.0" in str(caught.value)
    assert type(value).__qualname__ in str(caught.value)


def test_registered_encoder_and_decoder_are_used_when_a_type_has_them():
    class Money:
        def __init__(self, amount):
            self.amount = amount

    class Tip(Money):
        pass

    with pytest.raises(NotEncodable):
        Encoding().encode(Tip(5), "kwargs.x")
    encodes(Money)(lambda encoding, value, path: encoding.tag(path, "test_money", value.amount))
    decodes("test_money")(lambda plain, argument: Money(plain))
    assert travelled([Tip(5)])[0].amount == 5
