"""What is redacted by name: by the rule, by the project, and what a handler gets of it."""

import json
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import models, transaction
from django.db.models import Q
from django.test.utils import isolate_apps
from django.utils.datastructures import MultiValueDict
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy

from consumers.instances import instance_of
from publisher.bulk import Values
from publisher.catalogue.signals import named
from publisher.encoders.changes import Changes
from publisher.encoders.columns import columns_of
from publisher.events.dispatch import encoded_event
from publisher.redaction import is_secret_column, redacted
from publisher.rule_entry import redact_from, rule_from
from publisher.wire.errors import RedactedValue
from publisher.wire.event import decode_event, encode_event
from publisher.wire.redacted import Redacted
from tests.foo.models import Article, Note, Tag
from tests.kinds.models import Code, Option

LOGIN = "tests.foo.signals.user_login"
M2M_CHANGED = "django.db.models.signals.m2m_changed"
EMAIL = "ada.planted@example.com"


@dataclass
class Account:
    password: bool
    token: datetime


class Header(Enum):
    AUTHORIZATION = "Authorization"
    API_KEY = 2
    ACCEPT = "Accept"


class EncryptedDateTimeField(models.DateTimeField):
    """Whoever encrypts it has a reason to."""


def event(redact=None, project=None, sender=None, path=LOGIN, **kwargs):
    rule = rule_from({"signal": path, "redact": redact or {}}, redact=redact_from(project or {}))
    return decode_event(encoded_event(named(path), sender, kwargs, rule, "blog").body)


@pytest.mark.parametrize(
    ("value", "mask"),
    [
        (EMAIL, "a***@example.com"),
        ("Ada Lovelace", "A***"),
        ("Ada", "***"),
        ("", "***"),
        ("@", "***"),
        ("@adalovelace", "@***"),
        ("meet me @ noon", "m***"),
        ("ada@localhost", "a***"),
        (1234567, "***"),
        ({"a": 1}, "***"),
        (None, None),
    ],
)
def test_mask_shows_that_it_is_there(value, mask):
    assert redacted("mask", value) == mask


def test_hash_is_the_same_for_the_same_value_and_this_project_alone(settings):
    first = redacted("hash", EMAIL)
    assert len(first) == 32
    assert first == redacted("hash", EMAIL) != redacted("hash", "other")
    assert redacted("hash", None) is None
    assert redacted("hash", "\udcff") != redacted("hash", 5) == redacted("hash", "5")
    settings.SECRET_KEY = "another"
    assert redacted("hash", EMAIL) != first


@pytest.mark.parametrize(
    ("action", "tag"), [("mask", "masked"), ("hash", "hashed"), ("drop", "dropped")]
)  # fmt: skip
def test_value_is_redacted_by_name_wherever_it_is(action, tag):
    user = User(pk=1, username="ada", email=EMAIL)
    one = event({"email": action}, email=EMAIL, user=user, data={"Email": EMAIL, "list": [{"email": EMAIL}], "b": 1})
    assert EMAIL not in json.dumps(one.data)
    types = one.data["types"]
    paths = ("email", "user.fields.email", "data.Email", "data.list.0.email")
    assert {types[f"kwargs.{path}"] for path in paths} == {tag}
    assert ("email" in one.data["kwargs"]) is (action != "drop")
    assert one.data["kwargs"]["data"]["b"] == 1
    assert one.data["kwargs"]["user"]["fields"]["username"] == "ada"


def test_rule_comes_before_the_project_when_both_name_it():
    user = User(pk=1, email=EMAIL, first_name="Ada")
    one = event({"email": "keep"}, {"*_name": "mask", "email": "drop"}, user=user)
    assert one.kwargs["user"].email == EMAIL
    assert one.kwargs["user"].first_name == "***"


def test_project_comes_before_the_fields_of_a_rule():
    rule = rule_from({"signal": LOGIN, "fields": {"auth.User": ["email"]}}, redact=redact_from({"email": "mask"}))
    body = encoded_event(named(LOGIN), None, {"user": User(pk=1, email=EMAIL)}, rule, "blog").body
    assert EMAIL.encode() not in body


def test_secret_leaves_when_it_is_kept_by_name():
    one = event({"token_count": "keep"}, token_count=5, data={"token_count": 6, "token": 7})
    assert one.kwargs == {"token_count": 5, "data": {"token_count": 6}}


@pytest.mark.parametrize("value", [EMAIL, None])
def test_redacted_field_is_shown_so_when_the_instance_has_deferred_fields(value):
    user = User.from_db("default", ["id", "email"], [1, value])
    one = event({"email": "mask"}, user=user)
    assert one.data["types"]["kwargs.user.fields.email"] == "masked"
    assert one.kwargs["user"].email == (value and "a***@example.com")


@pytest.mark.django_db
def test_redacted_value_is_not_written_to_the_database_nor_looked_for():
    User.objects.create_user("ada", email=EMAIL)
    user = event({"email": "mask"}, user=User.objects.get()).kwargs["user"]
    assert user.email == "a***@example.com"
    assert isinstance(user.email, Redacted)
    with pytest.raises(RedactedValue, match="update_fields"), transaction.atomic():
        user.save()
    with pytest.raises(RedactedValue):
        User.objects.filter(email=user.email).exists()
    user.first_name = "Ada"
    user.save(update_fields=["first_name"])
    assert User.objects.get().email == EMAIL


def test_redacted_value_stays_text_when_the_field_is_no_text():
    article = event({"price": "mask"}, article=Article(pk=1, price=Decimal("1.50"))).data
    assert article["kwargs"]["article"]["fields"]["price"] == "***"
    rebuilt = instance_of({"model": "foo.article", "pk": 1, "fields": {"price": Redacted("***")}})
    assert rebuilt.price == "***"


def test_key_does_not_leave_when_it_is_a_secret():
    session = Session(session_key="planted-session-key", session_data="planted-session-data")
    one = event(instance=session, sender=session)
    assert "planted" not in json.dumps(one.data) + one.subject + one.partitionkey
    assert one.data["kwargs"]["instance"]["pk"] is None
    assert one.subject.startswith("sessions.session/")
    assert one.subject == event(instance=session).subject != event(instance=Session(session_key="other")).subject
    assert one.kwargs["instance"].pk is None


@isolate_apps("tests.kinds")
def test_key_does_not_leave_when_it_is_a_secret_number():
    class Card(models.Model):
        pin = models.IntegerField(primary_key=True)

        class Meta:
            app_label = "kinds"

        def __str__(self):
            return "card"

    one = event(instance=Card(pin=20491357))
    assert "20491357" not in json.dumps(one.data) + one.subject + one.partitionkey
    assert one.data["types"]["kwargs.instance.pk"] == "dropped"


@isolate_apps("tests.kinds")
def test_key_does_not_leave_when_one_of_its_columns_is_a_secret():
    class Access(models.Model):
        pk = models.CompositePrimaryKey("owner", "token")
        owner = models.IntegerField()
        token = models.CharField(max_length=20)

        class Meta:
            app_label = "kinds"

        def __str__(self):
            return str(self.owner)

    one = event(instance=Access(owner=1, token="planted-token"))
    assert "planted" not in json.dumps(one.data) + one.subject + one.partitionkey
    assert one.data["kwargs"]["instance"] == {"model": "kinds.access", "pk": None, "fields": {"owner": 1}}
    assert one.subject != event(instance=Access(owner=1, token="other")).subject
    queryset = Access.objects.values("pk")
    queryset._result_cache = [{"pk": (1, "planted-token")}]
    assert "planted" not in json.dumps(event(queryset=queryset).data)
    masked = event({"owner": "mask", "token": "keep"}, instance=Access(owner=7, token="t"))
    assert masked.data["kwargs"]["instance"] == {
        "model": "kinds.access", "pk": "***", "fields": {"owner": "***", "token": "t"},
    }  # fmt: skip


def test_keys_of_a_relation_do_not_leave_when_they_are_secrets():
    related = {"path": M2M_CHANGED, "instance": Tag(pk=7), "action": "post_add", "reverse": False}
    one = event(model=Session, pk_set={"planted-session-key"}, **related)
    assert "planted" not in json.dumps(one.data)
    assert one.kwargs["pk_set"] is None
    assert one.data["types"]["kwargs.pk_set"] == "dropped"
    hashed = event({"id": "hash"}, model=Article, pk_set={1, 2}, **related)
    assert hashed.kwargs["pk_set"] == {redacted("hash", 1), redacted("hash", 2)}
    assert event(model=Session, pk_set=None, **related).kwargs["pk_set"] is None


def test_key_is_hashed_when_it_is_redacted():
    one = event({"id": "hash"}, instance=Tag(pk=7))
    assert one.subject == f"foo.tag/{redacted('hash', 7)}"
    assert one.data["kwargs"]["instance"]["pk"] == redacted("hash", 7)


SSN = "planted-123-45-6789"


@pytest.fixture
def people():
    """A person, whose key is redacted by name in most tests, and those that refer to it."""
    with isolate_apps("tests.foo"):

        class Person(models.Model):
            ssn = models.CharField(max_length=20, primary_key=True)

            class Meta:
                app_label = "foo"

            def __str__(self):
                return self.ssn

        class Patient(Person):
            class Meta:
                app_label = "foo"

        class File(models.Model):
            person = models.OneToOneField(Person, models.CASCADE, primary_key=True)

            class Meta:
                app_label = "foo"

            def __str__(self):
                return self.person_id

        class Visit(models.Model):
            person = models.ForeignKey(Person, models.CASCADE)
            file = models.ForeignKey(File, models.CASCADE)

            class Meta:
                app_label = "foo"

            def __str__(self):
                return self.person_id

        yield SimpleNamespace(Person=Person, Patient=Patient, File=File, Visit=Visit)


@pytest.mark.parametrize("action", ["drop", "mask", "hash"])
def test_key_that_is_redacted_does_not_leave_by_what_refers_to_it(people, action):
    visit = people.Visit(pk=1, person_id=SSN, file_id=SSN)
    rows = people.Visit.objects.values("person", "person_id", "file")
    rows._result_cache = [{"person": SSN, "person_id": SSN, "file": SSN}]
    keys = people.Person.objects.values("pk", "ssn")
    keys._result_cache = [{"pk": SSN, "ssn": SSN}]
    patient = people.Patient(ssn=SSN, person_ptr_id=SSN)
    one = event(
        {"ssn": action}, instance=visit, rows=rows, keys=keys, patient=patient, file=people.File(person_id=SSN),
        condition=Q(person=people.Person(ssn=SSN)), changed=Changes(visit, {"person": (SSN, SSN)}),
        values=Values(people.Visit, {"person": people.Person(ssn=SSN)}),
    )  # fmt: skip
    assert SSN not in json.dumps(one.data)
    left = {} if action == "drop" else dict.fromkeys(["person", "file"], redacted(action, SSN))
    assert one.data["kwargs"]["instance"] == {"model": "foo.visit", "pk": 1, "fields": {"id": 1, **left}}
    about = event({"ssn": action}, user=patient)
    assert about.subject == f"foo.patient/{redacted('hash', SSN)}"


def test_foreign_key_is_redacted_as_its_own_name_says_before_what_it_refers_to(people):
    visit = people.Visit(pk=1, person_id=SSN, file_id=SSN)
    one = event({"ssn": "hash", "file": "mask", "person": "keep"}, instance=visit)
    assert one.data["kwargs"]["instance"]["fields"] == {"id": 1, "person": SSN, "file": redacted("mask", SSN)}


def test_foreign_key_of_a_secrets_name_does_not_leave_when_what_it_refers_to_is_kept(people):
    people.Visit.add_to_class("access_token", models.ForeignKey(people.Person, models.CASCADE, related_name="+"))
    visit = people.Visit(pk=1, access_token_id=SSN)
    fields = event({"ssn": "keep"}, instance=visit).data["kwargs"]["instance"]["fields"]
    assert "access_token" not in fields


@pytest.mark.parametrize(("action", "value"), [("drop", None), ("mask", "***"), ("hash", redacted("hash", b"x"))])
def test_key_of_a_dict_is_a_name_when_it_is_bytes(action, value):
    one = event({"password": action}, data={b"password": b"x", b"user": b"ada", b"\xff": 1})
    left = {} if action == "drop" else {b"password": value}
    assert one.kwargs["data"] == {**left, b"user": b"ada", b"\xff": 1}
    if action == "drop":
        assert one.data["types"]["kwargs.data.password"] == "dropped"


@pytest.mark.parametrize("name", [Header.AUTHORIZATION, Header.API_KEY, gettext_lazy("Password")])
def test_key_of_a_dict_is_a_name_when_it_is_an_enum_or_lazy(name):
    one = event(headers={name: "planted", Header.ACCEPT: "text/html"})
    assert one.kwargs["headers"] == {Header.ACCEPT: "text/html"}


@pytest.mark.parametrize("kind", [list, tuple, set, deque])
def test_pair_is_a_name_and_its_value(kind):
    headers = [("Authorization", "Bearer planted"), (b"x-api-key", b"planted"), ("Accept", "text/html")]
    one = event(headers=kind(headers))
    assert b"planted" not in encode_event(one)
    if kind is tuple:
        assert one.kwargs["headers"] == (("Authorization", None), (b"x-api-key", None), ("Accept", "text/html"))


def test_pair_of_json_is_a_name_and_its_value_among_others():
    one = event({"email": "mask"}, headers=[["password", "planted"], ["email", EMAIL]], fields=["password", "email"])
    assert one.kwargs["headers"] == [["password", None], ["email", "a***@example.com"]]
    assert one.kwargs["fields"] == ["password", "email"]


@isolate_apps("tests.foo")
def test_column_is_a_secret_when_its_model_is_there_for_one():
    class AuthToken(models.Model):
        key = models.CharField(max_length=40, primary_key=True)
        created = models.DateTimeField(null=True)

        class Meta:
            app_label = "foo"

        def __str__(self):
            return self.key

    class Setting(models.Model):
        key = models.CharField(max_length=40)
        auth = models.ForeignKey(AuthToken, models.CASCADE)

        class Meta:
            app_label = "foo"

        def __str__(self):
            return self.key

    class Holder(models.Model):
        given = models.OneToOneField(AuthToken, models.CASCADE, primary_key=True)

        class Meta:
            app_label = "foo"

        def __str__(self):
            return self.given_id

    class Visit(models.Model):
        holder = models.ForeignKey(Holder, models.CASCADE)
        access_token = models.ForeignKey(Note, models.CASCADE)

        class Meta:
            app_label = "foo"

        def __str__(self):
            return self.holder_id

    assert is_secret_column(AuthToken, "key")
    assert not is_secret_column(AuthToken, "created")
    assert not is_secret_column(Setting, "key")
    assert columns_of(AuthToken, None, frozenset()).names == ("created",)
    assert columns_of(Setting, None, frozenset()).names == ("id", "key")
    assert columns_of(Holder, None, frozenset()).dropped == ("given",)
    assert columns_of(Visit, None, frozenset()).dropped == ("holder",)


NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_value_leaves_when_it_only_says_that_there_is_a_secret_or_since_when():
    harmless = {"skip_authorization": True, "token": NOW, "api_key": timedelta(days=1), "password": date(2026, 1, 2)}
    one = event(data=harmless, account=Account(password=False, token=NOW), **harmless)
    assert one.kwargs == {**harmless, "data": harmless, "account": Account(password=False, token=NOW)}


def test_value_stays_when_it_is_harmless_but_named_by_redact():
    one = event({"token": "drop"}, {"password": "mask"}, token=True, password=True)
    assert one.data["kwargs"] == {"password": "***"}


class Term(models.TextChoices):
    SPRING = "spring"


@pytest.mark.parametrize("value", ["planted", b"planted", ["planted", 5], ("planted",), {"planted"}])
def test_text_that_is_called_a_session_stays_here(value):
    one = event(session=value, sid=value, data={"session": value, "n": 1}, form=MultiValueDict({"sid": ["planted"]}))
    assert one.kwargs == {"data": {"n": 1}, "form": {}}
    assert one.data["types"]["kwargs.session"] == one.data["types"]["kwargs.data.session"] == "dropped"


@pytest.mark.parametrize("value", [5, None, True, NOW, Decimal("1"), Term.SPRING, [1, 2], {"title": "a"}, UUID(int=7)])
def test_what_is_called_a_session_leaves_when_it_is_no_text(value):
    kwargs = {"session": value, "sid": value}
    assert event(**kwargs, data=kwargs).kwargs == {**kwargs, "data": kwargs}
    assert event(session=Tag(pk=1, name="a")).kwargs["session"].name == "a"


def test_text_that_is_called_a_session_leaves_when_it_is_kept_by_name():
    one = event({"session": "keep"}, {"sid": "mask"}, session="spring", sid="planted", data={"session": "autumn"})
    assert one.data["kwargs"] == {"session": "spring", "sid": "p***", "data": {"session": "autumn"}}


def test_session_that_an_event_is_about_is_hashed_when_it_is_text():
    rule = rule_from({"signal": LOGIN, "subject": "session"})
    subjects = [
        decode_event(encoded_event(named(LOGIN), None, {"session": value}, rule, "blog").body).subject
        for value in ("planted", 5)
    ]
    assert subjects == [f"session/{redacted('hash', 'planted')}", "session/5"]


@isolate_apps("tests.foo")
def test_column_that_is_called_a_session_stays_here_when_it_is_any_text():
    class Visit(models.Model):
        sid = models.CharField(max_length=40, primary_key=True)
        session = models.TextField()

        class Meta:
            app_label = "foo"

        def __str__(self):
            return self.sid

    class Training(models.Model):
        code = models.CharField(max_length=40, primary_key=True)
        session = models.CharField(max_length=10, choices=Term.choices)
        sid = models.IntegerField()

        class Meta:
            app_label = "foo"

        def __str__(self):
            return self.code

    class Attendance(models.Model):
        session = models.ForeignKey(Training, models.CASCADE)
        training_session = models.ForeignKey(Training, models.CASCADE, related_name="+")
        visit = models.ForeignKey(Visit, models.CASCADE)
        web_session = models.ForeignKey(Session, models.CASCADE)

        class Meta:
            app_label = "foo"

        def __str__(self):
            return str(self.pk)

    assert columns_of(Visit, None, frozenset()).dropped == ("sid", "session")
    assert columns_of(Training, None, frozenset()).dropped == ()
    assert columns_of(Attendance, None, frozenset()).dropped == ("visit", "web_session")


def test_lazy_value_of_a_secrets_name_is_not_evaluated():
    def evaluated():
        raise AssertionError

    assert event(token=SimpleLazyObject(evaluated)).kwargs == {}


@isolate_apps("tests.foo")
def test_column_leaves_when_it_only_says_that_there_is_a_secret_or_since_when():
    class AuthToken(models.Model):
        id = models.CharField(max_length=40, primary_key=True)
        key = models.CharField(max_length=40)

        class Meta:
            app_label = "foo"

        def __str__(self):
            return self.key

    class Client(models.Model):
        client_secret = models.CharField(max_length=40)
        hash_client_secret = models.BooleanField(default=True)
        skip_authorization = models.BooleanField(default=False)
        password_changed = models.DateTimeField(null=True)
        token_age = models.DurationField(null=True)
        secret_at = EncryptedDateTimeField(null=True)
        code = models.CharField(max_length=40)
        expires = models.DateTimeField(null=True)
        pin = models.ForeignKey(Code, models.CASCADE)
        access_token = models.ForeignKey(Article, models.CASCADE)
        auth = models.ForeignKey(AuthToken, models.CASCADE)

        class Meta:
            app_label = "foo"

        def __str__(self):
            return self.code

    assert columns_of(Client, None, frozenset()).dropped == ("client_secret", "secret_at", "code", "pin", "auth")
    assert columns_of(AuthToken, None, frozenset()).dropped == ("id", "key")


@pytest.mark.parametrize(("name", "leaves"), [("SMTP_PASSWORD", False), ("THEME", True), (None, True)])
def test_value_leaves_by_the_name_that_is_beside_it(name, leaves):
    row = Option(pk=1, name=name, value="x")
    one = event(row=row, listed=[{"key": name, "value": "x"}], named={"setting": name, "old_value": 5})
    fields, listed, named = (
        one.data["kwargs"]["row"]["fields"],
        *one.data["kwargs"]["listed"],
        one.data["kwargs"]["named"],
    )
    assert ("value" in fields, "value" in listed, "old_value" in named) == (leaves,) * 3
    if not leaves:
        assert one.data["types"]["kwargs.row.fields.value"] == "dropped"


@pytest.mark.parametrize("rule", [{"redact": {"name": "mask"}}, {"omit_fields": {"kinds.Option": ["name"]}}], ids=repr)
def test_value_does_not_leave_when_its_name_does_not_leave_as_it_is(rule):
    rule = rule_from({"signal": LOGIN, **rule})
    body = encoded_event(named(LOGIN), None, {"row": Option(name="SMTP_PASSWORD", value="planted")}, rule, "blog").body
    assert b"planted" not in body
    body = encoded_event(named(LOGIN), None, {"row": Option(name="THEME", value="dark")}, rule, "blog").body
    assert b"dark" in body


@pytest.mark.django_db
def test_value_does_not_leave_when_its_name_is_not_loaded():
    Option.objects.create(name="SMTP_PASSWORD", value="planted")
    one = event(row=Option.objects.defer("name").get())
    assert "value" not in one.data["kwargs"]["row"]["fields"]
    assert one.data["types"]["kwargs.row.fields.value"] == "dropped"
    assert "name" not in event(row=Option.objects.defer("name", "value").get()).data["kwargs"]["row"]["fields"]


def test_named_value_leaves_when_the_rule_asks_for_it():
    rule = rule_from({"signal": LOGIN, "fields": {"kinds.option": ["name", "value"]}})
    body = encoded_event(named(LOGIN), None, {"row": Option(name="SMTP_PASSWORD", value="wanted")}, rule, "blog").body
    assert b"wanted" in body
    assert event({"value": "keep"}, row=Option(name="SMTP_PASSWORD", value="wanted")).kwargs["row"].value == "wanted"


def test_named_value_is_masked_when_redact_says_so():
    one = event({"email": "mask"}, data={"name": "email", "value": EMAIL}, row=Option(name="email", value=EMAIL))
    assert one.kwargs["data"]["value"] == one.kwargs["row"].value == "a***@example.com"
