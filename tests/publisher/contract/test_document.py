"""The contract says what events are really like, and what a change of a model or a rule means to their consumers."""

import json
from datetime import datetime
from decimal import Decimal
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import models
from django.test.utils import isolate_apps
from jsonschema import Draft7Validator, FormatChecker

from publisher.catalogue.signals import named
from publisher.checks.keys import SENT_WITH
from publisher.contract.changes import ALL, changes, next_version
from publisher.contract.document import contract
from publisher.contract.schemas import OF_SIGNALS, field_schema, instance_schema
from publisher.rules import Rule
from publisher.testing import forwarded_events
from publisher.wire.event import encode_event
from tests.foo.models import Article
from tests.foo.signals import article_flagged, user_login
from tests.kinds.models import Code, Everything
from tests.publisher.encoders.test_models import VALUES

SAVE = "django.db.models.signals.post_save"
DELETE = "django.db.models.signals.post_delete"
formats = FormatChecker()


@formats.checks("decimal", raises=ArithmeticError)
def is_decimal(value):
    """Of a value that is no text, its type tells."""
    return not isinstance(value, str) or Decimal(value).is_finite()


@formats.checks("date-time", raises=ValueError)
def is_moment(value):
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@pytest.fixture
def forward(settings):
    def forward(*rules, **more):
        settings.SIGNAL_BRIDGE = {"SERVICE": "tests", "FORWARD": list(rules), **more}
        return contract()

    return forward


def payload(document, channel, signal=SAVE):
    """With all that it refers to."""
    Draft7Validator.check_schema(document["components"]["schemas"]["event"])
    return {**document, "allOf": document["channels"][channel]["messages"][signal]["payload"]["allOf"]}


def errors(document, event):
    channel = event.routing_key if event.routing_key in document["channels"] else f"{event.routing_key}.sender"
    body = json.loads(encode_event(event))
    body.pop("routing_key", None)
    found = Draft7Validator(payload(document, channel, event.type), format_checker=formats).iter_errors(body)
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
    found = {
        error.message for error in Draft7Validator(payload(document, "db.post_save.foo.article")).iter_errors(body)
    }
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
    assert saved["email"] == {"type": ["string", "null"]}
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
    assert field_schema(generated) == {"type": "string", "format": "decimal"}


def with_title(document, **schema):
    """As if the field were another one."""
    text = json.loads(json.dumps(document))
    fields = text["components"]["schemas"]["foo.article"]["properties"]["fields"]["properties"]
    fields.pop("title") if schema == {"gone": True} else fields.update(title=schema)
    return text


@pytest.mark.parametrize(
    ("before", "after", "effect", "told"),
    [
        ({"type": "string"}, {"type": "integer"}, "breaks", "was string; is integer"),
        ({"type": "string"}, {"type": ["string", "null"]}, "breaks", "was string; is string or null"),
        ({"type": ["string", "null"]}, {"type": "string"}, "narrows", "was string or null; is string"),
        ({"type": "number"}, {"type": "integer"}, "narrows", "was number; is integer"),
        ({"type": "integer"}, {"type": "number"}, "breaks", "was integer; is number"),
        ({"type": "string", "maxLength": 5}, {"type": "string", "maxLength": 6}, "breaks", "was string, maxLength 5; "
         "is string, maxLength 6"),
        ({"type": "string"}, {"type": "string", "maxLength": 6}, "narrows", "was string; is string, maxLength 6"),
        ({"type": "string", "format": "date"}, {"type": "string"}, "breaks", "was string, format date; is string"),
        ({"type": "string"}, {}, "breaks", "was string; is anything"),
        ({}, {"type": "string"}, "narrows", "was anything; is string"),
        ({"type": "string"}, {"gone": True}, "breaks", "is gone"),
        ({"gone": True}, {"type": "string"}, "adds", "is new: string"),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, "breaks", "was enum ['a']; is enum ['a', 'b']"),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, "narrows", "was enum ['a', 'b']; is enum ['a']"),
    ],
)  # fmt: skip
def test_change_of_a_field_breaks_adds_or_narrows(forward, before, after, effect, told):
    document = forward({"signal": SAVE, "senders": ["foo.article"]})
    (change,) = changes(with_title(document, **before), with_title(document, **after))
    assert (change.effect, change.change) == (effect, told)
    assert (change.channel, change.signal) == ("db.post_save.foo.article", SAVE)
    assert change.path == "kwargs.instance.fields.title"
    assert next_version("3.4", [change]) == ("4.0" if effect == "breaks" else "3.5")


def test_array_is_another_where_its_items_are(forward):
    document = forward({"signal": SAVE, "senders": ["foo.article"]})
    was, now = ({"type": "array", "items": {"type": kind}} for kind in ("string", "integer"))
    (change,) = changes(with_title(document, **was), with_title(document, **now))
    assert (change.effect, change.path) == ("breaks", "kwargs.instance.fields.title.*")


def test_channels_come_and_go_and_move_to_another_exchange(forward):
    article, note = ({"signal": SAVE, "senders": [sender]} for sender in ("foo.article", "foo.note"))
    before = forward(article)
    assert changes(before, before) == []
    found = changes(before, forward(note, EXCHANGE="others"))
    assert [(change.effect, change.channel, change.change) for change in found] == [
        ("breaks", "db.post_save.foo.article", "is not sent any more"),
        ("adds", "db.post_save.foo.note", "is sent"),
    ]
    (moved,) = changes(before, forward(article, EXCHANGE="others"))
    assert (moved.effect, moved.path) == ("breaks", "exchange")
    (renamed,) = changes(before, forward(article, SERVICE="shop"))
    assert (renamed.effect, renamed.channel, renamed.path) == ("breaks", ALL, "source")


def run(*arguments):
    """Exit code, what is printed, and what is said beside it."""
    out, err = StringIO(), StringIO()
    try:
        call_command("contract", *arguments, stdout=out, stderr=err)
    except SystemExit as exc:
        return exc.code, out.getvalue(), err.getvalue().strip()
    return 0, out.getvalue(), err.getvalue().strip()


def test_command_writes_the_file_and_tells_what_a_change_would_break(forward, tmp_path):
    file = tmp_path / "asyncapi.json"
    asked = ["--file", str(file)]
    rule = {"signal": SAVE, "senders": ["foo.article", "foo.tag"]}
    forward(rule)
    code, out, err = run(*asked, "--check")
    assert (code, out) == (1, "")
    assert err == f"There is no {file}. `manage.py contract --write` makes it: version 1.0, 2 channels."
    assert not file.exists()
    assert run(*asked, "--write") == (
        0, "", f"{file}: version 1.0, 2 channels, is written."
    )  # fmt: skip
    assert json.loads(file.read_text()) == contract()
    code, out, err = run(*asked, "--check")
    assert (code, err) == (0, f"{file} is that of now: version 1.0, 2 channels.")
    forward({**rule, "omit_fields": {"foo.article": ["title"]}})
    code, out, err = run(*asked, "--check")
    assert code == 1
    assert "breaks" in out
    assert "kwargs.instance.fields.title" in out
    assert err == f"{file} is not that of now. `manage.py contract --write` makes it version 2.0, 2 channels."
    assert run(*asked)[0] == 0
    code, out, _ = run(*asked, "--format", "json")
    assert [row["change"] for row in json.loads(out)] == ["is gone"]
    run(*asked, "--write")
    assert json.loads(file.read_text())["info"]["version"] == "2.0"
    forward(rule)
    run(*asked, "--write")
    assert json.loads(file.read_text())["info"]["version"] == "2.1"
    run(*asked, "--write")
    assert json.loads(file.read_text())["info"]["version"] == "2.1"


def test_without_a_file_programs_get_the_document(forward, tmp_path):
    document = forward({"signal": SAVE, "senders": ["foo.tag"]})
    code, out, _ = run("--file", str(tmp_path / "none.json"), "--format", "json")
    assert (code, json.loads(out)) == (0, document)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"info": {"version": "1.0"}, "channels": {"a": 5}}', '"text"'],
)  # fmt: skip
def test_file_that_is_no_contract_is_left_alone(forward, tmp_path, text):
    forward({"signal": SAVE, "senders": ["foo.tag"]})
    file = tmp_path / "asyncapi.json"
    file.write_text(text)
    with pytest.raises(CommandError, match="is no contract that this command wrote") as caught:
        run("--file", str(file), "--write")
    assert caught.value.returncode == 2
    assert file.read_text() == text


def test_version_that_is_none_is_told(forward, tmp_path):
    document = forward({"signal": SAVE, "senders": ["foo.tag"]})
    file = tmp_path / "asyncapi.json"
    file.write_text(json.dumps({**document, "info": {"title": "tests", "version": "v1"}}))
    with pytest.raises(CommandError, match="invalid literal"):
        run("--file", str(file))


def test_check_and_write_are_not_both(tmp_path):
    with pytest.raises(CommandError, match="give one of them"):
        run("--check", "--write", "--file", str(tmp_path / "a.json"))


def test_contract_names_what_djangos_signals_and_the_bridges_own_are_sent_with():
    """The checks know it, too. From Django 6.1 on `m2m_changed` has `raw`, which no consumer has to expect."""
    signals = [known for known in map(named, SENT_WITH) if id(known.signal) in OF_SIGNALS]
    described = {known.name: set(OF_SIGNALS[id(known.signal)]({})) for known in signals}
    of_relations = "django.db.models.signals.m2m_changed"
    known = {name: set(names) for name, names in SENT_WITH.items() if not name.endswith("_init")}
    assert described == {**known, of_relations: known[of_relations] - {"raw"}}
