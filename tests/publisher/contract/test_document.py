"""The contract says what events are really like."""

import json
from datetime import UTC, datetime, time
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import models
from django.test.utils import isolate_apps
from jsonschema import Draft7Validator, FormatChecker

from publisher.catalogue.signals import named
from publisher.checks.keys import SENT_WITH
from publisher.contract.schemas import OF_SIGNALS, field_schema, instance_schema
from publisher.events.dispatch import encoded_event
from publisher.rules import Rule
from publisher.testing import forwarded_events
from publisher.wire.event import encode_event
from tests.foo.models import Article, Tag
from tests.foo.signals import article_flagged, user_login
from tests.kinds.models import Code, Everything
from tests.publisher.encoders.test_models import VALUES

SAVE = "django.db.models.signals.post_save"
DELETE = "django.db.models.signals.post_delete"
IS_VIP = f"{__name__}.is_vip"
formats = FormatChecker()


def is_vip(sender, instance, **kwargs):
    return instance.name == "vip"


@formats.checks("decimal", raises=ArithmeticError)
def is_decimal(value):
    """Of a value that is no text, its type tells."""
    return not isinstance(value, str) or Decimal(value).is_finite()


@formats.checks("date-time", raises=ValueError)
def is_moment(value):
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def payload(document, channel, message):
    """With all that it refers to."""
    Draft7Validator.check_schema(document["components"]["schemas"]["event"])
    return {**document, "allOf": document["channels"][channel]["messages"][message]["payload"]["allOf"]}


def errors(document, event):
    channel = event.routing_key if event.routing_key in document["channels"] else f"{event.routing_key}.sender"
    message = f"{event.type}.{event.sender}"
    if message not in document["channels"][channel]["messages"]:
        message = event.type
    body = json.loads(encode_event(event))
    body.pop("routing_key", None)
    found = Draft7Validator(payload(document, channel, message), format_checker=formats).iter_errors(body)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


@pytest.mark.django_db
@pytest.mark.parametrize("values", [VALUES, {}], ids=["values", "none"])
def test_events_of_every_field_are_as_the_contract_says(forward, values):
    document = forward("django.db.models.signals.*", "publisher.signals.*")
    user = User.objects.create_user("ada")
    with forwarded_events() as events:
        row = Everything.objects.create(**values, **({"owner": user, "about": user} if values else {}))
        Everything.objects.get(pk=row.pk).save(update_fields=["char"])
        row.likes.set([user])
        row.likes.clear()
        row.delete()
        Code.objects.create(code="a")
    assert {event.routing_key.split(".")[1] for event in events} >= {
        "pre_save", "post_save", "m2m_changed", "pre_delete", "post_delete"
    }  # fmt: skip
    assert [errors(document, event) for event in events] == [[]] * len(events)


@pytest.mark.django_db
def test_events_of_bulk_writes_are_as_the_contract_says(forward):
    document = forward("publisher.signals.*")
    with forwarded_events() as events:
        Article.telling.bulk_create([Article(title="a"), Article(title="b")])
        Article.telling.bulk_update(Article.telling.all(), ["title"])
        Article.telling.update(title="c")
        Article.telling.all().delete()
    assert len(events) == 4
    assert [errors(document, event) for event in events] == [[]] * 4


@pytest.mark.django_db
def test_what_changed_is_as_the_contract_says(forward):
    document = forward({"signal": SAVE, "senders": ["kinds.everything"], "changes": True})
    row = Everything.objects.create()
    for name, value in VALUES.items():
        setattr(row, name, value)
    with forwarded_events() as events:
        row.save()
    assert len(events[0].data["kwargs"]["changes"]) > 20
    assert errors(document, events[0]) == []


def new_event_of(instance):
    known = named(SAVE)
    return encoded_event(
        known, type(instance), {"instance": instance, "created": True}, Rule(signal="*"), "tests"
    ).event


def test_event_that_is_another_is_found_out(forward):
    """The other way round: a schema that takes everything would be green above."""
    document = forward({"signal": SAVE, "senders": ["foo.article"]})
    fields = document["components"]["schemas"]["foo.article"]["properties"]["fields"]["properties"]
    assert fields["price"] == {"type": "string", "format": "decimal"}
    assert fields["at"] == {"type": ["string", "null"], "format": "date-time"}
    assert fields["title"] == {"type": "string", "maxLength": 100}
    assert fields["data"] == {}
    assert "api_token" not in fields
    body = {"specversion": "1.0", "data": {"kwargs": {"created": 1, "instance": {"fields": {"price": 1.5}}}}}
    schema = payload(document, "db.post_save.foo.article", f"{SAVE}.foo.article")
    found = {error.message for error in Draft7Validator(schema).iter_errors(body)}
    assert {"1 is not of type 'boolean'", "1.5 is not of type 'string'", "'id' is a required property"} <= found


def test_rule_decides_what_is_said(forward):
    document = forward(
        {
            "signal": "django.db.models.signals.post_delete",
            "senders": ["auth.user"],
            "fields": {"auth.user": ["email"]},
        },
        {
            "signal": SAVE,
            "senders": ["auth.user"],
            "omit_fields": {"auth.user": ["last_name"]},
            "redact": {"email": "hash"},
        },
    )
    schemas = document["components"]["schemas"]
    deleted, saved = (schemas[name]["properties"]["fields"]["properties"] for name in ("auth.user", "auth.user-2"))
    assert deleted == {"email": {"type": "string", "maxLength": 254}}
    assert saved["email"] == {"type": ["string", "null"], "x-redacted": "hashed"}
    assert {"last_name", "password"}.isdisjoint(saved)


@isolate_apps("tests.kinds")
def test_composite_key_is_an_array():
    class Place(models.Model):
        pk = models.CompositePrimaryKey("row", "seat")
        row = models.IntegerField()
        seat = models.IntegerField()

        class Meta:
            app_label = "kinds"

        def __str__(self):
            return f"{self.row}{self.seat}"

    schema = instance_schema(Rule(signal="*"), Place)["properties"]
    assert schema["pk"] == {"type": ["array", "null"]}
    assert schema["fields"]["properties"].keys() == {"row", "seat"}


def test_signals_of_a_project_are_there_with_what_their_source_tells(forward):
    document = forward(
        "tests.foo.signals.article_published",
        {"signal": "tests.foo.signals.article_flagged", "routing_key": "flags.{kwargs[why]}.{signal}"},
    )
    assert list(document["channels"]) == ["flags.kwargs_why.article_flagged", "foo.article_published.sender"]
    flagged, published = document["channels"].values()
    assert flagged["address"] == "flags.{kwargs_why}.article_flagged"
    assert flagged["parameters"] == {"kwargs_why": {}}
    data = published["messages"]["tests.foo.signals.article_published"]["payload"]["allOf"][1]["properties"]["data"]
    assert data == {"type": "object", "properties": {"kwargs": {"type": "object", "properties": {"title": {}}}}}


def test_questions_go_to_an_exchange_of_their_own(forward):
    document = forward({"signal": "tests.foo.signals.article_flagged", "delivery": "ask"}, EXCHANGE="events")
    (channel,) = document["channels"].values()
    assert channel["bindings"]["amqp"]["exchange"]["name"] == "events.ask"


def test_question_and_event_of_one_routing_key_are_two_channels(forward):
    flagged = "tests.foo.signals.article_flagged"
    document = forward({"signal": flagged, "senders": ["a"], "delivery": "ask"}, {"signal": flagged, "senders": ["b"]})
    event, question = document["channels"].values()
    assert list(document["channels"]) == ["foo.article_flagged.sender", "foo.article_flagged.sender-2"]
    assert event["address"] == question["address"] == "foo.article_flagged.{sender}"
    exchanges = [channel["bindings"]["amqp"]["exchange"]["name"] for channel in (event, question)]
    assert exchanges == ["signals", "signals.ask"]


def test_routing_keys_that_look_alike_are_two_channels(forward):
    document = forward(
        {"signal": SAVE, "senders": ["foo.article"], "routing_key": "a b"},
        {"signal": SAVE, "senders": ["foo.tag"], "routing_key": "a_b"},
    )
    assert {name: channel["address"] for name, channel in document["channels"].items()} == {
        "a_b": "a b",
        "a_b-2": "a_b",
    }
    assert document["operations"]["a_b-2"]["channel"] == {"$ref": "#/channels/a_b-2"}


def test_braces_of_a_routing_key_are_no_parameter_where_they_are_escaped(forward):
    document = forward(
        {"signal": SAVE, "senders": ["foo.tag"], "routing_key": "x{{y}}.{kwargs[instance][pk]:05d}.{sender:.3}"}
    )
    ((name, channel),) = document["channels"].items()
    assert (name, channel["address"]) == ("x_y_.kwargs_instance_pk.foo", "x{y}.{kwargs_instance_pk}.foo")
    assert channel["parameters"] == {"kwargs_instance_pk": {}}


@pytest.mark.django_db
def test_models_of_one_routing_key_have_a_message_each(forward):
    document = forward({"signal": SAVE, "senders": ["foo.article", "foo.tag"], "routing_key": "foo.saved"})
    assert document["channels"]["foo.saved"]["messages"].keys() == {f"{SAVE}.foo.article", f"{SAVE}.foo.tag"}
    with forwarded_events() as events:
        Article.objects.create(title="a")
        Tag.objects.create(name="t")
    assert [errors(document, event) for event in events] == [[], []]


@pytest.mark.django_db
def test_what_a_rule_leaves_to_the_next_one_is_in_the_contract(forward):
    document = forward(
        {"signal": SAVE, "senders": ["foo.tag"], "when": IS_VIP, "routing_key": "vip.saved"},
        {"signal": SAVE, "senders": ["foo.*"], "exclude": ["foo.article", "foo.draft", "foo.note"]},
    )
    assert list(document["channels"]) == ["db.post_save.foo.tag", "vip.saved"]
    with forwarded_events() as events:
        Tag.objects.create(name="vip")
        Tag.objects.create(name="t")
    assert [event.routing_key for event in events] == ["vip.saved", "db.post_save.foo.tag"]
    assert [errors(document, event) for event in events] == [[], []]


def test_message_says_what_no_schema_does(forward):
    document = forward(
        {"signal": SAVE, "senders": ["foo.tag"], "when": IS_VIP, "routing_key": "vip.saved", "delivery": "direct"},
        {"signal": SAVE, "senders": ["foo.tag"], "subject": "instance"},
        {"signal": "tests.foo.signals.article_published", "senders": ["foo.Note"], "routing_key": "notes"},
        {"signal": "tests.foo.signals.article_published", "exclude": ["foo.draft"]},
    )
    said = {
        name: {key: value for key, value in message.items() if key.startswith("x-")}
        for name, channel in document["channels"].items()
        for message in channel["messages"].values()
    }
    assert said == {
        "vip.saved": {"x-delivery": "direct", "x-when": IS_VIP},
        "db.post_save.foo.tag": {"x-delivery": "outbox", "x-unless": [IS_VIP], "x-subject": "instance"},
        "notes": {"x-delivery": "outbox", "x-senders": ["foo.note"]},
        "foo.article_published.sender": {"x-delivery": "outbox", "x-exclude": ["foo.draft", "foo.note"]},
    }
    assert json.loads(json.dumps(document)) == document


def test_rules_of_one_routing_key_have_a_message_each_where_one_has_other_fields(forward):
    rule = {"signal": SAVE, "senders": ["foo.tag"]}
    document = forward({**rule, "when": IS_VIP, "fields": {"foo.tag": ["id"]}}, rule)
    messages = document["channels"]["db.post_save.foo.tag"]["messages"]
    assert list(messages) == [f"{SAVE}.foo.tag", f"{SAVE}.foo.tag-2"]


def test_senders_of_one_custom_signal_have_a_message_each_where_rules_differ(forward):
    published = "tests.foo.signals.article_published"
    document = forward(
        {"signal": published, "senders": ["foo.article"], "redact": {"title": "drop"}},
        {"signal": published, "senders": ["foo.note"]},
    )
    (channel,) = document["channels"].values()
    assert list(channel["messages"]) == [published, f"{published}-2"]
    assert [message["name"] for message in channel["messages"].values()] == [published, f"{published}-2"]


@pytest.mark.django_db
def test_event_without_a_model_is_as_the_contract_says(forward):
    document = forward("tests.foo.signals.*")
    with forwarded_events() as events:
        user_login.send(sender=None, user="ada")
        article_flagged.send(sender=None)
    assert [errors(document, event) for event in events] == [[], []]


def test_field_of_a_project_says_nothing_where_its_class_makes_the_values():
    class Tagged(models.CharField):
        """Nothing of its own."""

    class Counted(models.IntegerField):
        def from_db_value(self, value, expression, connection):
            return {"count": value}

    assert field_schema(Tagged(max_length=9)) == {"type": "string", "maxLength": 9}
    assert field_schema(Counted(null=True)) == {}
    assert field_schema(Everything._meta.get_field("hand")) == {}
    assert field_schema(Everything._meta.get_field("owner")) == {"type": ["integer", "null"]}
    generated = models.GeneratedField(
        expression=models.F("id"), output_field=models.DecimalField(max_digits=9, decimal_places=1), db_persist=True
    )
    assert field_schema(generated) == {"type": ["string", "null"], "format": "decimal"}


@isolate_apps("tests.kinds")
def test_what_the_database_or_django_lets_through_is_in_the_schema():
    class Sheet(models.Model):
        text = models.TextField(max_length=3)
        rate = models.FloatField()
        file = models.FileField(upload_to="files")
        at = models.TimeField()
        day = models.DateTimeField()
        double = models.GeneratedField(
            expression=models.F("rate") * 2, output_field=models.FloatField(), db_persist=True
        )

        class Meta:
            app_label = "kinds"

        def __str__(self):
            return self.text

    rows = [
        Sheet(id=1, text="a" * 9, rate=float("inf"), file=None, at=time(9, 30), day=datetime.now(UTC), double=None),
        Sheet(id=2, text="", rate=float("nan"), file="a", at=time(9), day=datetime.now(UTC), double=float("-inf")),
        Sheet(id=3, text="", rate=1.5, file="", at=time(9), day=datetime.now(UTC), double=2),
    ]
    encoded = [encode_event(new_event_of(row)) for row in rows]
    validator = Draft7Validator(instance_schema(Rule(signal="*"), Sheet), format_checker=formats)
    sent = [json.loads(body)["data"]["kwargs"]["instance"] for body in encoded]
    assert [list(validator.iter_errors(instance)) for instance in sent] == [[], [], []]
    others = {"text": None, "rate": "infinite", "double": "1"}
    assert len(list(validator.iter_errors({"model": "kinds.sheet", "pk": 1, "fields": others}))) == 3


def test_moment_without_a_zone_is_no_plain_text(settings):
    settings.USE_TZ = False
    assert field_schema(models.DateTimeField()) == {"type": "string", "format": "date-time-local"}


def test_contract_names_what_djangos_signals_and_the_bridges_own_are_sent_with():
    """The checks know it, too. From Django 6.1 on `m2m_changed` has `raw`, which no consumer has to expect."""
    signals = [known for known in map(named, SENT_WITH) if id(known.signal) in OF_SIGNALS]
    described = {known.name: set(OF_SIGNALS[id(known.signal)]({})) for known in signals}
    of_relations = "django.db.models.signals.m2m_changed"
    known = {name: set(names) for name, names in SENT_WITH.items() if not name.endswith("_init")}
    assert described == {**known, of_relations: known[of_relations] - {"raw"}}
