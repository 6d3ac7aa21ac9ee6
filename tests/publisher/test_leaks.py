"""What must not leave, in unusual places: rows of `values()`, children and proxies, pairs, subjects."""

import json
from collections import namedtuple
from dataclasses import make_dataclass
from datetime import datetime
from enum import Enum
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import models
from django.db.models import Value
from django.db.models.functions import Concat
from django.test import RequestFactory
from django.test.utils import isolate_apps
from django.utils.functional import lazystr
from django.utils.translation import gettext_lazy

from publisher.bulk import Values
from publisher.catalogue.signals import named
from publisher.events.dispatch import encoded_event
from publisher.rule_entry import rule_from
from publisher.wire.event import decode_event
from tests.kinds.models import Everything, Option

LOGIN = "tests.foo.signals.user_login"
SECRET = "planted-secret"


class Header(Enum):
    AUTHORIZATION = "Authorization"


def event(entry=None, **kwargs):
    rule = rule_from({"signal": LOGIN, **(entry or {})})
    return decode_event(encoded_event(named(LOGIN), None, kwargs, rule, "blog").body)


def leaves(one):
    return SECRET in json.dumps(one.data) + (one.subject or "") + (one.partitionkey or "")


def rows(queryset, **row):
    queryset._result_cache = [row]
    return queryset


@pytest.mark.parametrize(
    ("queryset", "row", "entry"),
    [
        (User.objects.values("email"), {"email": SECRET}, {"omit_fields": {"auth.User": ["email"]}}),
        (User.objects.values("email"), {"email": SECRET}, {"fields": {"auth.User": ["id"]}}),
        (Everything.objects.values("owner__email"), {"owner__email": SECRET}, {"redact": {"email": "drop"}}),
        (Everything.objects.values("owner__password"), {"owner__password": SECRET}, {}),
        (Option.objects.values("value"), {"value": SECRET}, {}),
        (Option.objects.values("name", "value"), {"name": "API_KEY", "value": SECRET}, {}),
    ],
    ids=range(6),
)
def test_column_does_not_leave_in_rows_of_values_either(queryset, row, entry):
    assert not leaves(event(entry, rows=rows(queryset, **row)))


def test_column_leaves_in_rows_of_values_when_it_may():
    row = {"id": 1, "owner__first_name": "Ada", "count": 2}
    queryset = Everything.objects.annotate(count=Value(2)).values(*row)
    assert event(rows=rows(queryset, **row)).data["kwargs"]["rows"]["rows"] == [row]


@isolate_apps("tests.kinds")
def test_column_does_not_leave_when_the_name_of_a_child_or_a_proxy_tells():
    class Thing(models.Model):
        key = models.CharField(max_length=20)
        code = models.CharField(max_length=20)

        class Meta:
            app_label = "kinds"

        def __str__(self):
            return "thing"

    class AuthToken(Thing):
        expires_at = models.DateTimeField(null=True)

        class Meta:
            app_label = "kinds"

    class ApiKey(Thing):
        class Meta:
            app_label = "kinds"
            proxy = True

    assert not leaves(event(x=AuthToken(id=1, key=SECRET, code=SECRET)))
    assert not leaves(event(x=ApiKey(id=1, key=SECRET)))
    assert leaves(event(x=Thing(id=1, key=SECRET)))


@pytest.mark.parametrize(
    "value",
    [
        Values(Option, {"name": Value("SMTP_PASSWORD"), "value": SECRET}),
        Option(pk=1, name=Concat(Value("SMTP_"), Value("PASSWORD")), value=SECRET),
        [namedtuple("Pair", "name value")("Authorization", SECRET)],
        {"Name": "DB_PASSWORD", "Value": SECRET},
        {"setting": Header.AUTHORIZATION, "value": SECRET},
        {"name": gettext_lazy("Password"), "value": SECRET},
        {"APIkey": SECRET, "SSHkey": SECRET, "PINcode": SECRET, "OTPcode": SECRET},
        {"session": lazystr(SECRET)},
    ],
    ids=range(8),
)
def test_value_does_not_leave_when_its_name_is_a_secrets_however_it_is_written(value):
    assert not leaves(event(x=value))


def test_kwarg_does_not_leave_when_another_names_it_by_an_enum():
    assert not leaves(event(setting=Header.AUTHORIZATION, value=SECRET))


def test_subject_has_the_hash_of_what_does_not_leave():
    assert event({"redact": {"user": "drop"}}, user=User(pk=7)).subject != "auth.user/7"
    assert event({"subject": "customer", "redact": {"customer": "drop"}}, customer=User(pk=7)).subject != "auth.user/7"
    assert not leaves(event({"subject": "value"}, setting="SECRET_KEY", value=SECRET))
    assert event(user=User(pk=7)).subject == "auth.user/7"


def test_user_of_a_request_is_hidden_when_its_key_is():
    request = RequestFactory().get("/")
    request.user = User(pk=7)
    hashed = event({"redact": {"id": "hash"}}, request=request, user=request.user)
    assert hashed.data["kwargs"]["request"]["user"] == hashed.data["kwargs"]["user"]["pk"] != 7
    assert event(request=request).data["kwargs"]["request"]["user"] == 7


def test_instance_arrives_as_it_was_sent_when_it_is_the_old_value_of_something():
    old = Option(pk=1, name="n", value="Ask for the pin: see wiki")
    assert event(name="title", old=old, new=5).kwargs["old"].value == old.value
    assert event(key="BROKER", new_value=f"redis://:{SECRET}@host").kwargs["new_value"] == "redis://:***@host"


def test_event_is_made_of_values_at_the_edge_of_their_types():
    unknown = make_dataclass("Unknown", [("a", int)], frozen=True)
    latest = datetime.max.replace(tzinfo=ZoneInfo("America/New_York"))
    one = event(
        {"subject": "at"}, at=latest, items={"a": [1]}.items(), scope={"asgi": 1, "headers": {"Accept": "y"}},
        part=memoryview(b"abcdef")[::2], objects={unknown(1)}, keyed={unknown(1): 2},
    )  # fmt: skip
    assert one.kwargs["at"].replace(tzinfo=None) == datetime.max
    assert (one.kwargs["part"], one.kwargs["scope"]["headers"]) == (b"ace", {"Accept": "y"})
    assert (one.kwargs["objects"], one.kwargs["keyed"]) == ([{"a": 1}], [[{"a": 1}, 2]])
    assert list(one.kwargs["items"]) == [("a", [1])]
