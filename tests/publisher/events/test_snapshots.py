"""Events whose encoding waits until COMMIT: the same bytes as of those that were encoded at once."""

import gc
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID, uuid4
from weakref import ref

import pytest
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models.signals import post_save
from django.test import override_settings
from django.utils.safestring import mark_safe

from publisher import forwarding
from publisher.catalogue.signals import named
from publisher.encoders.columns import MOST_SHAPES
from publisher.events import snapshots
from publisher.events.dispatch import encoded_from
from publisher.events.snapshots import template_of
from publisher.events.source import Source
from publisher.outbox.writing import OutboxNotWritten, pending
from publisher.redaction import STARS
from publisher.rule_entry import rule_from
from publisher.wire.event import decode_event, moment_of
from publisher.wire.origin import originating
from tests.foo.models import Tag
from tests.kinds.models import Code, Everything, Option, ProxyOfEverything, Ticket

POST_SAVE = "django.db.models.signals.post_save"
SENT = {"created": True, "update_fields": None, "raw": False, "using": "default"}
PLANTED = "3f6f1c0e9d"


def template(model=Everything, **rule):
    source = Source(named(POST_SAVE), model, rule_from({"signal": POST_SAVE, **rule}), "tests")
    return template_of(source, model)


def row(kind=Everything, **values):
    return kind(**{"pk": 1, "status": "draft", "updated": datetime(2026, 1, 2, tzinfo=UTC), **values})


def kwargs(instance, **others):
    return {"instance": instance, **SENT, **others}


def encoded_now(found, sent):
    return encoded_from(found.source, Everything, sent)


def learned(found, sent):
    found.learn(sent, encoded_now(found, sent))
    return found


@pytest.mark.parametrize(
    "values",
    [
        {"char": "text"}, {"char": ""}, {"char": None}, {"boolean": True}, {"integer": 7}, {"big": 2**63 - 1},
        {"float": 1.5}, {"float": -0.0}, {"float": 1e300}, {"decimal": Decimal("9.90")}, {"decimal": Decimal("NaN")},
        {"uuid": UUID(int=7)}, {"date": date(2026, 1, 2)}, {"datetime": datetime(2026, 1, 2, 3, 4, 5, 67, tzinfo=UTC)},
        {"pk": 2**63 - 1}, {"pk": None}, {"owner_id": 3}, {"char": 'a "quoted" \\ \u2028 text'},
    ],
    ids=repr,
)  # fmt: skip
def test_bytes_are_the_same_when_encoding_waits(values):
    sent = kwargs(row(**values))
    found = learned(template(), sent)
    now = encoded_now(found, sent)
    waiting = found.snapshot(dict(sent))
    waiting.moment = moment_of(now.event)
    assert waiting.encoded() == now


def test_proxy_has_its_order_in_common_with_its_model_when_encoding_waits():
    proxy = row(kind=ProxyOfEverything)
    event = learned(template(ProxyOfEverything), kwargs(proxy)).snapshot(kwargs(proxy)).encoded().event
    assert (event.subject, event.partitionkey) == ("kinds.proxyofeverything/1", "kinds.everything/1")


KEY = UUID("36a5c10e-b046-4285-bf50-a83e037f6cc2")


@pytest.mark.parametrize("first", [KEY, str(KEY), KEY.hex], ids=repr)
@pytest.mark.parametrize("given", [KEY, str(KEY), KEY.hex, str(KEY).upper()], ids=repr)
def test_key_is_the_columns_however_it_was_given_when_encoding_waits(first, given):
    at = datetime(2026, 1, 2, tzinfo=UTC)
    found = template(Ticket)
    for key in (first, given):
        learned(found, kwargs(Ticket(pk=key, at=at)))
    now = encoded_from(found.source, Ticket, kwargs(Ticket(pk=given, at=at)))
    waiting = found.snapshot(kwargs(Ticket(pk=given, at=at)))
    assert now.event.subject == now.event.partitionkey == f"kinds.ticket/{KEY}"
    assert now.event.data["types"]["kwargs.instance.pk"] == "uuid"
    if waiting is not None:
        waiting.moment = moment_of(now.event)
        assert waiting.encoded().body == now.body


def test_encoding_waits_when_the_key_is_text():
    found = learned(template(Code), kwargs(Code(pk="a")))
    assert found.snapshot(kwargs(Code(pk="b"))).encoded().event.subject == "kinds.code/b"


@pytest.mark.django_db
def test_events_of_a_row_have_one_key_however_its_key_was_given():
    with override_settings(SIGNAL_BRIDGE={"FORWARD": [POST_SAVE]}):
        key = uuid4()
        Ticket.objects.get_or_create(pk=key.hex)
        Ticket.objects.update_or_create(pk=str(key).upper())
        Ticket.objects.get().save()
        for given in (7, "7", "007"):
            Tag(pk=given, name="a").save()
        events = [decode_event(row.body) for row in pending("default")]
    assert {row.partitionkey for row in pending("default")} == {f"kinds.ticket/{key}", "foo.tag/7"}
    assert {event.subject for event in events} == {f"kinds.ticket/{key}", "foo.tag/7"}
    assert {event.data["kwargs"]["instance"]["pk"] for event in events} == {str(key), 7}


@pytest.mark.parametrize(
    ("values", "others"),
    [
        ({"big": 2**63}, {"big": 1}), ({"float": float("nan")}, {"float": 1.0}),
        ({"datetime": datetime(2026, 1, 2)}, {"datetime": datetime(2026, 1, 2, tzinfo=UTC)}),
        (
            {"datetime": datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2)))},
            {"datetime": datetime(2026, 1, 2, tzinfo=UTC)},
        ),
        ({"char": mark_safe("safe")}, {"char": "text"}), ({"json": {"a": 1}}, {}), ({"json": [1]}, {}),
        ({"duration": timedelta(1)}, {}), ({"binary": b"raw"}, {}), ({"pk": 2**63}, {"pk": 1}),
    ],
    ids=repr,
)  # fmt: skip
def test_nothing_waits_when_its_value_needs_more_than_a_look(values, others):
    found = learned(learned(template(), kwargs(row(**others))), kwargs(row(**values)))
    assert found.snapshot(kwargs(row(**values))) is None


@pytest.mark.parametrize(
    ("values", "others"), [({"big": 2**63}, {"big": 1}), ({"float": float("nan")}, {"float": 1.0})], ids=repr
)
def test_others_wait_when_the_first_of_their_types_could_not(values, others):
    found = learned(learned(template(), kwargs(row(**values))), kwargs(row(**others)))
    assert found.snapshot(kwargs(row(**others))) is not None


def test_zone_is_looked_at_when_the_types_were_learned_while_a_test_had_frozen_time(monkeypatch):
    with monkeypatch.context() as patch:
        # As freezegun does it; values from the database are of the other class.
        patch.setattr(snapshots, "datetime", type("FakeDatetime", (datetime,), {}), raising=False)
        found = learned(template(), kwargs(row(datetime=datetime(2026, 1, 2, tzinfo=UTC))))
    elsewhere = datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert found.snapshot(kwargs(row(datetime=elsewhere))) is None


def test_nothing_waits_when_a_field_is_deferred_or_a_kwarg_can_change():
    found = learned(template(), kwargs(row()))
    deferred = row()
    del deferred.__dict__["char"]
    learned(found, kwargs(deferred))
    assert found.snapshot(kwargs(deferred)) is None
    learned(found, kwargs(row(), update_fields=["char"]))
    assert found.snapshot(kwargs(row(), update_fields=["char"])) is None
    assert found.snapshot(kwargs(row())) is not None


@pytest.mark.parametrize("sent", [{}, {"instance": None}, {"instance": 5}], ids=repr)
def test_nothing_waits_when_there_is_no_instance(sent):
    found = learned(template(), {**SENT, **sent})
    assert found.snapshot({**SENT, **sent}) is None


@pytest.mark.parametrize(
    "rule",
    [
        {"routing_key": "x"}, {"changes": True}, {"delivery": "direct"}, {"redact": {"char": "hash"}},
        {"fields": {"kinds.everything": []}},
    ],
    ids=repr,
)  # fmt: skip
def test_there_is_no_template_when_more_than_the_values_counts(rule):
    assert template(**rule) is None


def test_there_is_no_template_when_the_sender_is_told_of_errors():
    source = Source(named(POST_SAVE), Everything, rule_from(POST_SAVE, strict=True), "tests")
    assert template_of(source, Everything) is None


def test_there_is_no_template_when_a_column_names_what_another_is_the_value_of():
    assert template(Option) is None


def test_nothing_waits_when_the_key_is_a_secret():
    session = Session(session_key=PLANTED, session_data="", expire_date=datetime(2026, 1, 2, tzinfo=UTC))
    found, sent = template(Session), kwargs(session)
    now = encoded_from(found.source, Session, sent)
    found.learn(sent, now)
    assert PLANTED.encode() not in now.body
    assert found.snapshot(sent) is None


def test_value_does_not_leave_when_it_came_under_a_secret_name():
    found = template(redact={"code": "mask"})
    # What is masked is stars, and stars stay stars.
    learned(found, kwargs(row(), code=STARS))
    learned(found, kwargs(row(), token=""))
    assert found.snapshot(kwargs(row(), code=PLANTED)) is None
    assert found.snapshot(kwargs(row(), token=PLANTED)) is None


def test_shapes_stay_few_when_the_types_are_many(monkeypatch):
    monkeypatch.setattr(snapshots, "MOST_SHAPES", 4)
    found = template()
    for number in range(10):
        learned(found, kwargs(row(), **{f"more_{number}": True}))
    assert found.snapshot(kwargs(row(), more_3=True)) is not None
    assert found.snapshot(kwargs(row(), more_4=True)) is None
    assert MOST_SHAPES > 4


TAGS = {"FORWARD": [{"signal": POST_SAVE, "senders": ["foo.tag"]}]}


@pytest.fixture
def encoded(monkeypatch):
    """The forwarding of tags, and how many of their events were encoded at once."""
    counted = []

    def count(source, sender, sent):
        counted.append(source.name)
        return encoded_from(source, sender, sent)

    monkeypatch.setattr(forwarding, "encoded_from", count)
    with override_settings(SIGNAL_BRIDGE=TAGS):
        yield counted


def told():
    return [decode_event(each.body, each.routing_key) for each in pending("default")]


@pytest.mark.django_db
def test_value_is_the_one_that_was_sent_when_the_instance_is_changed_afterwards(encoded):
    for name in ("first", "second"):
        tag = Tag(name=name)
        tag.save()
        tag.name = "changed"
    assert [event.kwargs["instance"].name for event in told()] == ["first", "second"]
    assert len(encoded) == 1


@pytest.mark.django_db
def test_time_and_cause_are_those_of_the_signal_when_it_is_encoded_later(encoded):
    Tag.objects.create(name="x")
    (first,) = told()
    with originating(first):
        Tag.objects.create(name="y")
    sent_by = datetime.now(UTC)
    _, second = told()
    assert (second.causationid, second.hops) == (first.id, 1)
    assert first.time < second.time < sent_by
    assert told()[1].id == second.id


@pytest.mark.django_db
def test_nothing_is_encoded_when_its_savepoint_is_rolled_back(encoded, monkeypatch):
    Tag.objects.create(name="x")
    monkeypatch.setattr(snapshots.Snapshot, "encoded", lambda self: pytest.fail("encoded"))
    with suppress(ZeroDivisionError), transaction.atomic():
        Tag.objects.create(name="y")
        raise ZeroDivisionError
    assert len(told()) == 1


@pytest.mark.django_db
def test_instance_is_not_kept_until_the_commit(encoded):
    Tag.objects.create(name="x")
    tag = Tag.objects.create(name="y")
    is_there = ref(tag)
    del tag
    gc.collect()
    assert is_there() is None
    assert told()[1].kwargs["instance"].name == "y"


@pytest.mark.django_db
def test_text_that_is_no_unicode_goes_escaped_when_it_waited(encoded, caplog):
    for name in ("text", "\ud800"):
        post_save.send(Tag, instance=Tag(pk=1, name=name), **SENT)
    assert [event.kwargs["instance"].name for event in told()] == ["text", "\\ud800"]
    assert len(encoded) == 1
    assert "such values are escaped" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_transaction_is_rolled_back_when_encoding_fails_at_its_end(encoded, monkeypatch):
    Tag.objects.create(name="x")
    monkeypatch.setattr(snapshots.Snapshot, "encoded", lambda self: 1 / 0)
    with pytest.raises(OutboxNotWritten), transaction.atomic():
        Tag.objects.create(name="y")
    assert not connection.in_atomic_block
    assert [tag.name for tag in Tag.objects.all()] == ["x"]
