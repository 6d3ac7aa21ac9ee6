# ruff: noqa: DJ001 - of every field, None is tried too
"""Models of every kind: all of Django's fields, PostgreSQL's, custom ones, proxies, parents, relations."""

from dataclasses import dataclass
from uuid import uuid4

from django.contrib.auth.models import User
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.contrib.postgres import fields as postgres
from django.contrib.postgres.search import SearchVectorField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower, Now

from publisher.bulk import SignalManager


class Status(models.TextChoices):
    DRAFT = "draft", "Draft"
    DONE = "done", "Done"


class Hand:
    """A value that only its field knows, as in Django's documentation of custom fields."""

    def __init__(self, *cards: str) -> None:
        self.cards = cards

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hand) and self.cards == other.cards

    def __hash__(self) -> int:
        return hash(self.cards)


class HandField(models.Field):
    def get_internal_type(self) -> str:
        return "TextField"

    def from_db_value(self, value, expression, connection):
        return self.to_python(value)

    def to_python(self, value):
        if value is None or isinstance(value, Hand):
            return value
        if not isinstance(value, str):
            raise ValidationError("no hand")
        return Hand(*value.split(","))

    def get_prep_value(self, value):
        return None if value is None else ",".join(value.cards)

    def value_to_string(self, obj):
        return self.get_prep_value(self.value_from_object(obj))


@dataclass(frozen=True)
class Point:
    x: int
    y: int


class PointField(HandField):
    """Its values are of a kind that could be encoded without the field, too."""

    def to_python(self, value):
        return Point(*map(int, value.split(","))) if isinstance(value, str) else value

    def get_prep_value(self, value):
        return None if value is None else f"{value.x},{value.y}"


class EncryptedTextField(models.TextField):
    """In memory it is plain text."""


class Everything(models.Model):
    big = models.BigIntegerField(null=True)
    binary = models.BinaryField(null=True)
    boolean = models.BooleanField(null=True)
    char = models.CharField(max_length=50, null=True)
    date = models.DateField(null=True)
    datetime = models.DateTimeField(null=True)
    decimal = models.DecimalField(max_digits=20, decimal_places=6, null=True)
    duration = models.DurationField(null=True)
    email = models.EmailField(null=True)
    file = models.FileField(upload_to="files", null=True)
    image = models.FileField(upload_to="images", null=True)
    file_path = models.FilePathField(path="/", null=True)
    float = models.FloatField(null=True)
    ip = models.GenericIPAddressField(null=True)
    integer = models.IntegerField(null=True)
    json = models.JSONField(null=True)
    slug = models.SlugField(null=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    text = models.TextField(null=True)
    time = models.TimeField(null=True)
    url = models.URLField(null=True)
    uuid = models.UUIDField(null=True)
    hand = HandField(null=True)
    point = PointField(null=True)
    diary = EncryptedTextField(null=True)
    updated = models.DateTimeField(auto_now=True)
    owner = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    parent = models.ForeignKey("self", models.CASCADE, null=True)
    content_type = models.ForeignKey(ContentType, models.CASCADE, null=True)
    object_id = models.PositiveBigIntegerField(null=True)
    about = GenericForeignKey()
    likes = models.ManyToManyField(User, related_name="+")

    def __str__(self) -> str:
        return f"everything {self.pk}"


class ProxyOfEverything(Everything):
    class Meta:
        proxy = True


class Child(Everything):
    """Multi-table inheritance: two levels of it, below."""

    more = models.TextField(default="")


class Grandchild(Child):
    last = models.TextField(default="")
    everything = GenericRelation(Everything)


class Deal(models.Model):
    """Its key is of a kind that only its field knows."""

    hand = HandField(primary_key=True)
    last = models.ForeignKey("self", models.CASCADE, null=True)

    def __str__(self) -> str:
        return "deal"


class Code(models.Model):
    """Its key is text."""

    code = models.CharField(max_length=20, primary_key=True)

    def __str__(self) -> str:
        return self.code


class Ticket(models.Model):
    """Nothing in it was given: id and time are made up, here and in the database."""

    id = models.UUIDField(primary_key=True, default=uuid4)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.id)


class Heading(models.Model):
    """One of its columns is computed by the database."""

    text = models.CharField(max_length=50)
    level = models.IntegerField(default=1)
    lower = models.GeneratedField(
        expression=Lower("text"), output_field=models.CharField(max_length=50), db_persist=True
    )

    def __str__(self) -> str:
        return self.text


class Option(models.Model):
    """A setting in a row: its name says what its value is."""

    name = models.CharField(max_length=50)
    value = models.TextField(default="")

    objects = SignalManager()

    def __str__(self) -> str:
        return self.name


class Pair(models.Model):
    """Refers to another column than the key."""

    code = models.ForeignKey(Code, models.CASCADE, to_field="code")

    objects = SignalManager()

    class Meta:
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"pair {self.pk}"


class PostgresEverything(models.Model):
    """Not in any database here: what is tested is the way of its values."""

    tags = postgres.ArrayField(models.CharField(max_length=10), null=True)
    grid = postgres.ArrayField(postgres.ArrayField(models.IntegerField()), null=True)
    prices = postgres.ArrayField(models.DecimalField(max_digits=8, decimal_places=2), null=True)
    store = postgres.HStoreField(null=True)
    numbers = postgres.IntegerRangeField(null=True)
    big_numbers = postgres.BigIntegerRangeField(null=True)
    decimals = postgres.DecimalRangeField(null=True)
    days = postgres.DateRangeField(null=True)
    moments = postgres.DateTimeRangeField(null=True)
    search = SearchVectorField(null=True)

    class Meta:
        managed = False
        required_db_vendor = "postgresql"

    def __str__(self) -> str:
        return f"everything {self.pk}"
