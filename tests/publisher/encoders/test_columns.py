"""A model's values together: the same JSON and the same sidecar as one by one."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from django.utils.safestring import mark_safe

from publisher.encoders import columns
from publisher.encoders.columns import MOST_SHAPES, columns_of
from publisher.wire.codec import Encoding
from tests.foo.models import Article

PATH = "kwargs.instance"
COLUMNS = columns_of(Article, None, frozenset())


class Level(IntEnum):
    HIGH = 3


def instance(values):
    article = Article()
    article.__dict__ = {"_state": article._state, **values}
    return article


def together(values):
    encoding = Encoding()
    fields = COLUMNS.encoded(encoding, instance(values), PATH)
    types = {path: tag for path, tag in encoding.types.items() if tag not in ("dropped", "partial")}
    return msgspec.json.encode(fields), types


def one_by_one(values):
    encoding = Encoding()
    there = zip(COLUMNS.names, COLUMNS.attnames, strict=True)
    fields = {
        name: encoding.encode(values[attname], f"{PATH}.fields.{name}") for name, attname in there if attname in values
    }
    return msgspec.json.encode(fields), encoding.types


@pytest.mark.parametrize(
    "value",
    [
        "text", mark_safe("safe"), "", None, True, 7, -(2**63), 2**63 - 1, 2**63, 2**64, -(2**70), Level.HIGH,
        1.5, float("nan"), float("-inf"), Decimal("9.90"), Decimal("1E+2"), Decimal("-0"), Decimal("NaN"),
        UUID(int=7), date(2026, 1, 2), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 4, 5, 67, tzinfo=UTC), datetime(2026, 1, 2), datetime(1, 1, 1, tzinfo=UTC),
        datetime(2026, 7, 2, tzinfo=ZoneInfo("Europe/Berlin")), datetime(2026, 1, 2, tzinfo=ZoneInfo("UTC")),
        datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
        timedelta(days=1, microseconds=5), b"raw", [1, Decimal("1.5")], {"a": {"b.c": 1}}, (1, 2), {3},
    ],
    ids=repr,
)  # fmt: skip
def test_value_is_written_as_the_codec_does_when_it_is_in_a_column(value):
    values = {**vars(Article(pk=1)), "title": value}
    assert together(values) == one_by_one(values)


def test_moment_is_written_when_tests_have_frozen_time(monkeypatch):
    class FakeDatetime(datetime):
        """As freezegun puts it in the place of `datetime`."""

    monkeypatch.setattr(columns, "datetime", FakeDatetime)
    values = {**vars(Article(pk=1)), "at": FakeDatetime(2026, 1, 2, tzinfo=UTC)}
    assert together(values) == one_by_one(values)


def test_field_is_left_out_when_it_is_deferred():
    values = {"id": 1, "price": Decimal("1.5")}
    assert together(values) == one_by_one(values)
    assert b"title" not in together(values)[0]


def test_shapes_stay_few_when_the_paths_are_many():
    for number in range(2 * MOST_SHAPES):
        COLUMNS.encoded(Encoding(), Article(pk=1), f"kwargs.list.{number}")
    assert len(COLUMNS._shapes) <= MOST_SHAPES
