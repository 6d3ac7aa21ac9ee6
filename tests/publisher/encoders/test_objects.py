"""Objects made of named parts: there and back, without what must not leave."""

from collections import namedtuple
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any, NamedTuple

import attrs
import msgspec
import pydantic
import pytest

from publisher.wire.event import Event
from publisher.wire.sent import SentMoney
from tests.foo.models import Tag
from tests.publisher.encoders.travel import event, sent, text_of, travelled

SECRET = "planted-secret"


class Colour(Enum):
    RED = "red"


@dataclass
class Line:
    name: str
    price: Decimal
    tags: set[str] = field(default_factory=set)
    colour: Colour = Colour.RED
    total: Decimal = field(init=False, default=Decimal("0"))
    next: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    model: str
    pk: int
    fields: tuple[int, ...]

    def __post_init__(self):
        if self.pk < 0:
            raise ValueError("never called on arrival")


@attrs.define
class Parcel:
    weight: Decimal
    lines: list[Line]


@attrs.frozen
class Label:
    text: str


class Order(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    number: int
    on: date = date(2026, 1, 1)
    label: Any = None


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    amounts: list[Decimal]
    alias_: str = pydantic.Field("x", alias="from")


class Point(NamedTuple):
    x: int
    at: Decimal


OldPoint = namedtuple("OldPoint", "x y")
LINE = Line("a", Decimal("1.50"), {"x"}, next=Line("b", Decimal("2")))


@pytest.mark.parametrize(
    "value",
    [
        LINE,
        Frozen(model="a", pk=1, fields=(1, 2)),
        Parcel(Decimal("1.5"), [LINE]),
        Label("text"),
        Order(number=1, label=Label("x")),
        Order(number=1, more=Decimal("2")),
        Strict(amounts=[Decimal("1.10")], **{"from": "here"}),
        SimpleNamespace(a=1, b=Decimal("2")),
        Point(1, Decimal("2")),
        OldPoint(1, (2, 3)),
        {"line": [LINE], "tag": {Point(1, Decimal("2")): Tag(pk=1, name="a")}},
    ],
    ids=lambda value: type(value).__name__,
)
def test_object_comes_back_as_it_was_when_its_class_is_imported_here(value):
    result = travelled(value)
    assert result == value
    assert type(result) is type(value)
    assert repr(result) == repr(value)


def test_parts_of_an_object_are_plain_json():
    assert sent(LINE.next) == (
        {"name": "b", "price": "2", "tags": [], "colour": "red", "total": "0", "next": None},
        {
            "": "object:tests.publisher.encoders.test_objects:Line",
            "price": "decimal",
            "total": "decimal",
            "tags": "set",
            "colour": "enum:tests.publisher.encoders.test_objects:Colour:RED",
        },
    )


def local():
    @dataclass
    class Hidden:
        a: Decimal

    return Hidden(Decimal("1"))


def test_parts_arrive_as_a_dict_when_the_class_is_not_imported_here():
    assert travelled(local()) == {"a": Decimal("1")}
    assert travelled(namedtuple("Nowhere", "a b")(1, 2)) == (1, 2)
    assert travelled(Event(specversion="1.0", id="1", source="/", type="t"))["id"] == "1"


@pytest.mark.parametrize(
    "tag", ["object:subprocess:Popen", "object:os:environ", "object:builtins:dict", "object:x:y:z"]
)
def test_nothing_is_made_but_what_is_made_of_parts(tag):
    one = event(x=LINE)
    one.data["types"]["kwargs.x"] = f"object:{tag}"
    assert one.kwargs["x"]["name"] == "a"


def test_no_code_runs_when_an_object_is_made_again():
    one = event(x=Frozen(model="a", pk=1, fields=()))
    one.data["kwargs"]["x"]["pk"] = -1
    assert one.kwargs["x"].pk == -1


@dataclass
class Account:
    name: str
    password: str = SECRET
    email: str = ""


@attrs.define
class Login:
    user: str
    api_key: str


class Credentials(NamedTuple):
    user: str
    token: str


class Settings(pydantic.BaseModel):
    name: str
    client_secret: str
    key: pydantic.SecretStr


@pytest.mark.parametrize(
    "value",
    [
        Account("ada"),
        Login("ada", SECRET),
        Credentials("ada", SECRET),
        Settings(name="ada", client_secret=SECRET, key=SECRET),
        SimpleNamespace(user="ada", access_token=SECRET),
    ],
    ids=lambda value: type(value).__name__,
)
def test_parts_that_sound_like_secrets_stay_here(value):
    text = text_of([value])
    assert "ada" in text
    assert SECRET not in text
    assert "dropped" in text
    assert SECRET not in repr(travelled(value)) or isinstance(value, Account)


def test_part_that_did_not_leave_is_its_default_or_none():
    result = travelled(Account("ada", password="another"))
    assert (result.name, result.password) == ("ada", SECRET)
    assert travelled(Login("ada", SECRET)) == Login("ada", None)
    assert travelled(Credentials("ada", SECRET)) == ("ada", None)


def test_parts_are_redacted_by_name():
    redact = (("email", "mask"), ("name", "drop"))
    plain, types = sent([Account("ada", email="ada@example.com")], redact=redact)
    assert plain == [{"email": "a***@example.com"}]
    assert (types["0.email"], types["0.name"]) == ("masked", "dropped")


class Money:
    def __init__(self, amount, currency):
        self.amount = amount
        self.currency = currency


class Currency:
    code = "EUR"


class ByProperty:
    amount = property(lambda self: Decimal("9.90"))
    currency = property(lambda self: Currency())


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (Money(Decimal("9.90"), "EUR"), SentMoney(amount=Decimal("9.90"), currency="EUR")),
        (Money(5, Currency()), SentMoney(amount=Decimal("5"), currency="EUR")),
        (ByProperty(), SentMoney(amount=Decimal("9.90"), currency="EUR")),
    ],
)
def test_money_arrives_as_an_amount_in_a_currency(value, arrives):
    assert travelled(value) == arrives
    assert str(travelled(value)).endswith(" EUR")


def test_it_is_no_money_when_the_amount_is_no_number():
    assert travelled(Money("much", "EUR"), strict=False)["type"].endswith(".Money")


def test_struct_is_its_parts():
    class Struct(msgspec.Struct):
        a: Decimal
        secret: str

    assert sent(Struct(a=Decimal("1"), secret=SECRET))[0] == {"a": "1"}


class Node:
    def __init__(self):
        self.me = self


def test_objects_that_refer_to_each_other_are_cut_where_they_come_round():
    one, two = Line("one", Decimal("1")), Line("two", Decimal("2"))
    one.next, two.next = two, one
    result = travelled(one)
    assert (result.name, result.next.name, result.next.next) == ("one", "two", None)
    assert sent(one)[1]["next.next"] == "cycle:kwargs.x"
    assert travelled(Node(), strict=False)["type"].endswith(".Node")
