"""Text, paths, zones, ranges, names: there and back."""

import ipaddress
import re
from collections import UserDict, UserList, UserString, deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from zoneinfo import ZoneInfo

import pytest
from django.utils.functional import SimpleLazyObject, lazy
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy, ngettext_lazy, override
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from publisher.wire.errors import NotEncodable
from tests.foo.models import Article
from tests.ids import plain
from tests.publisher.encoders.travel import event, sent, text_of, travelled


@pytest.mark.parametrize(
    "value",
    [
        Path("/a/b.txt"),
        PurePosixPath("c"),
        UTC,
        timezone(timedelta(hours=-3, minutes=-30)),
        ZoneInfo("Europe/Berlin"),
        range(1, 10, 2),
        slice(None, 5),
        slice(date(2026, 1, 1), None, 2),
        ipaddress.ip_address("10.0.0.1"),
        ipaddress.ip_address("::1"),
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_interface("10.0.0.1/8"),
        Range(1, 5),
        Range(None, Decimal("1.5"), "(]"),
        Range(date(2026, 1, 1), None),
        Range(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
        Range(empty=True),
        deque([1, Decimal("2")]),
        1 + 2j,
    ],
    ids=plain,
)
def test_value_comes_back_as_it_was(value):
    result = travelled(value)
    assert result == value
    assert isinstance(result, type(value)) or isinstance(value, PurePosixPath)
    assert travelled({"deep": [value]}) == {"deep": [value]}


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (UserDict(a=Decimal("1")), {"a": Decimal("1")}),
        (MappingProxyType({"a": (1,)}), {"a": (1,)}),
        (UserList([1, b"x"]), [1, b"x"]),
        (UserString("text"), "text"),
        ({"a": 1}.keys(), {"a"}),
        ({"a": Decimal("1")}.values(), [Decimal("1")]),
        (Multirange([Range(1, 2), Range(5, 6)]), [Range(1, 2), Range(5, 6)]),
        (re.compile(r"\d+"), r"\d+"),
        (mark_safe("<b>"), "<b>"),
        (SimpleLazyObject(lambda: Decimal("1.5")), Decimal("1.5")),
        (lazy(lambda: 5, int)(), 5),
        (len, "builtins.len"),
        (Article.publish, "tests.foo.models.Article.publish"),
        (Article(pk=1).publish, "tests.foo.models.Article.publish"),
        (text_of, "tests.publisher.encoders.travel.text_of"),
        (re, "re"),
        (Decimal, "decimal.Decimal"),
        (int, "builtins.int"),
        (Article, Article),
    ],
    ids=plain,
)
def test_value_arrives_as_the_plainest_that_it_can_be(value, arrives):
    assert travelled(value) == arrives
    assert type(travelled(value)) is type(arrives)


def test_lazy_translation_is_its_text_in_the_language_of_now():
    with override("de"):
        assert travelled([gettext_lazy("Yes"), {"a": gettext_lazy("No")}]) == ["Ja", {"a": "Nein"}]
    assert travelled(ngettext_lazy("%d year", "%d years", 2) % 2) == "2 years"


@pytest.mark.parametrize("zone", ["../../etc/passwd", "Nowhere/Else", "", "Europe"])
def test_name_stays_when_the_zone_is_not_known_here(zone):
    changed = event(x=ZoneInfo("Europe/Berlin"))
    changed.data["kwargs"]["x"] = zone
    assert changed.kwargs["x"] == zone


def test_iterator_is_not_consumed():
    numbers = iter([1, 2])
    with pytest.raises(NotEncodable):
        sent(numbers)
    assert list(numbers) == [1, 2]


class Geometry:
    """As GEOSGeometry and shapely's have it."""

    geom_type = "Point"

    def __init__(self, wkt, srid=None):
        self.wkt = wkt
        self.srid = srid


@pytest.mark.parametrize(
    ("value", "text"),
    [(Geometry("POINT (1 2)"), "POINT (1 2)"), (Geometry("POINT (1 2)", 4326), "SRID=4326;POINT (1 2)")],
)
def test_geometry_is_well_known_text(value, text):
    assert sent(value) == (text, {"": "geometry"})
    assert travelled(value) == text


def test_what_calls_itself_a_secret_stays_here():
    class SecretText:
        def get_secret_value(self):
            return "planted-secret"

        def __repr__(self):
            return "planted-secret"

    assert sent({"a": SecretText()}) == ({"a": None}, {"a": "dropped"})


def test_what_calls_itself_a_secret_stays_here_when_it_has_named_parts_too():
    @dataclass
    class Secret:
        value: str

        def get_secret_value(self):
            return self.value

    assert sent({"a": Secret("planted-secret")}) == ({"a": None}, {"a": "dropped"})
