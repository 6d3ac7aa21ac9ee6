"""What a change of a model or a rule means to the consumers of its events."""

import json

import pytest

from publisher.contract import schemas
from publisher.contract.differences import ALL, differences, next_version

SAVE = "django.db.models.signals.post_save"


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
        ({"type": ["number", "string"], "pattern": "^inf$"}, {"type": "integer"}, "narrows",
         "was number or string, pattern ^inf$; is integer"),
        ({"type": "string", "format": "time-local"}, {"type": "string"}, "breaks",
         "was string, format time-local; is string"),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, "breaks", "was enum ['a']; is enum ['a', 'b']"),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, "narrows", "was enum ['a', 'b']; is enum ['a']"),
    ],
)  # fmt: skip
def test_change_of_a_field_breaks_adds_or_narrows(forward, before, after, effect, told):
    document = forward({"signal": SAVE, "senders": ["foo.article"]})
    (change,) = differences(with_title(document, **before), with_title(document, **after))
    assert (change.effect, change.change) == (effect, told)
    assert (change.channel, change.signal, change.sender) == ("db.post_save.foo.article", SAVE, "foo.article")
    assert change.path == "kwargs.instance.fields.title"
    assert next_version("3.4", [change]) == ("4.0" if effect == "breaks" else "3.5")


def test_array_is_another_where_its_items_are(forward):
    document = forward({"signal": SAVE, "senders": ["foo.article"]})
    was, now = ({"type": "array", "items": {"type": kind}} for kind in ("string", "integer"))
    (change,) = differences(with_title(document, **was), with_title(document, **now))
    assert (change.effect, change.path) == ("breaks", "kwargs.instance.fields.title.*")


def test_channels_come_and_go_and_move_to_another_exchange(forward):
    article, note = ({"signal": SAVE, "senders": [sender]} for sender in ("foo.article", "foo.note"))
    before = forward(article)
    assert differences(before, before) == []
    found = differences(before, forward(note, EXCHANGE="others"))
    assert [(change.effect, change.channel, change.change) for change in found] == [
        ("breaks", "db.post_save.foo.article", "is not sent any more"),
        ("adds", "db.post_save.foo.note", "is sent"),
    ]
    (moved,) = differences(before, forward(article, EXCHANGE="others"))
    assert (moved.effect, moved.path, moved.change) == ("breaks", "exchange", "was signals; is others")
    (renamed,) = differences(before, forward(article, SERVICE="shop"))
    assert (renamed.effect, renamed.channel, renamed.path) == ("breaks", ALL, "source")


def test_sender_that_left_a_routing_key_of_several_breaks(forward):
    rule = {"signal": SAVE, "senders": ["foo.article", "foo.tag"], "routing_key": "foo.saved"}
    before, now = forward(rule), forward({**rule, "senders": ["foo.tag"]})
    (gone,) = differences(before, now)
    assert (gone.effect, gone.channel, gone.sender) == ("breaks", "foo.saved", "foo.article")
    assert (gone.signal, gone.path, gone.change) == (SAVE, "", "is not sent any more")
    (new,) = differences(now, before)
    assert (new.effect, new.sender, new.change) == ("adds", "foo.article", "is sent")


def test_question_that_comes_beside_an_event_is_no_change_of_it(forward):
    flagged = "tests.foo.signals.article_flagged"
    event, question = ({"signal": flagged, "senders": ["b"]}, {"signal": flagged, "senders": ["a"], "delivery": "ask"})
    before, now = forward(event), forward(event, question)
    assert [(each.effect, each.channel, each.change) for each in differences(before, now)] == [
        ("adds", "foo.article_flagged.{sender} (signals.ask)", "is sent")
    ]
    (gone,) = differences(now, before)
    assert (gone.effect, gone.channel) == ("breaks", "foo.article_flagged.{sender} (signals.ask)")


def test_other_spelling_of_a_routing_key_is_no_change(forward):
    rule = {"signal": SAVE, "senders": ["foo.tag"], "routing_key": "t.{kwargs[instance][pk]}.{sender}"}
    before = forward(rule)
    assert differences(before, forward({**rule, "routing_key": "t.{kwargs[instance][pk]!s:>9}.{sender!s}"})) == []


TAG = {"signal": SAVE, "senders": ["foo.tag"]}
NOTE = {"signal": SAVE, "senders": ["foo.note"], "redact": {"text": "keep", "at": "hash"}}
PUBLISHED = {"signal": "tests.foo.signals.article_published"}
OF_VIPS = {**TAG, "when": "foo.is_vip"}


@pytest.mark.parametrize(
    ("before", "after", "effect", "path", "told"),
    [
        ([TAG], [OF_VIPS], "breaks", "when", "was sent always; is sent when foo.is_vip"),
        ([OF_VIPS], [TAG], "adds", "when", "was sent when foo.is_vip; is sent always"),
        ([OF_VIPS], [{**TAG, "when": "foo.is_new"}], "breaks", "when",
         "was sent when foo.is_vip; is sent when foo.is_new"),
        ([OF_VIPS], [OF_VIPS, {**TAG, "when": "foo.is_new"}], "adds", "when",
         "was sent when foo.is_vip; is sent when foo.is_new or foo.is_vip"),
        ([OF_VIPS, TAG], [{**OF_VIPS, "delivery": "ask"}, TAG], "breaks", "when",
         "was sent always; is sent unless foo.is_vip"),
        ([TAG], [{**TAG, "delivery": "direct"}], "breaks", "delivery", "was outbox; is direct: events may be lost"),
        ([{**TAG, "delivery": "direct"}], [TAG], "narrows", "delivery", "was direct; is outbox: no event is lost"),
        ([PUBLISHED], [{**PUBLISHED, "subject": "title"}], "breaks", "subject",
         "was that of instance, user or the sender; is that of title, and so is partitionkey"),
        ([PUBLISHED], [{**PUBLISHED, "senders": ["foo.*"]}], "breaks", "senders",
         "was sent by all; is sent by foo.*"),
        ([{**PUBLISHED, "senders": ["foo.note"]}], [{**PUBLISHED, "senders": ["foo.*"]}], "adds", "senders",
         "was sent by foo.note; is sent by foo.*"),
        ([PUBLISHED], [{**PUBLISHED, "exclude": ["foo.note"]}], "breaks", "senders",
         "was sent by all; is sent by all but foo.note"),
        ([PUBLISHED], [{**PUBLISHED, "senders": ["foo.note"], "delivery": "ask"}, PUBLISHED], "breaks", "senders",
         "was sent by all; is sent by all but foo.note"),
        ([NOTE], [{**NOTE, "redact": {"text": "hash", "at": "hash"}}], "breaks", "kwargs.instance.fields.text",
         "was string; is string or null, hashed"),
        ([NOTE], [{**NOTE, "redact": {"text": "keep", "at": "mask"}}], "breaks", "kwargs.instance.fields.at",
         "was string or null, hashed; is string or null, masked"),
        ([TAG], [{**OF_VIPS, "fields": {"foo.tag": ["id"]}}, TAG], "breaks", "kwargs.instance.fields.name", "is gone"),
    ],
)  # fmt: skip
def test_change_of_a_rule_is_told(forward, before, after, effect, path, told):
    was, now = forward(*before), forward(*after)
    changed = [each for each in differences(was, now) if each.change != "is sent"]
    assert [(each.effect, each.path, each.change) for each in changed] == [(effect, path, told)]


FOO_AND_BAR = {**PUBLISHED, "senders": ["foo.*", "bar.*"], "routing_key": "k1"}
BUT_NOTES = {"exclude": ["foo.note"]}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([PUBLISHED], [{**PUBLISHED, **BUT_NOTES, "routing_key": "k1"}, PUBLISHED],
         ("breaks", "was sent by all; is sent by all but * (not foo.note)")),
        ([PUBLISHED], [{**FOO_AND_BAR, **BUT_NOTES}, PUBLISHED],
         ("breaks", "was sent by all; is sent by all but bar.*, foo.* (not foo.note)")),
        ([FOO_AND_BAR, PUBLISHED], [{**FOO_AND_BAR, **BUT_NOTES}, PUBLISHED],
         ("adds", "was sent by all but bar.*, foo.*; is sent by all but bar.*, foo.* (not foo.note)")),
        ([{**FOO_AND_BAR, "exclude": ["foo.*e"]}, PUBLISHED], [{**FOO_AND_BAR, **BUT_NOTES}, PUBLISHED],
         ("breaks", "was sent by all but bar.*, foo.* (not foo.*e); is sent by all but bar.*, foo.* (not foo.note)")),
        ([{**PUBLISHED, "senders": ["foo.note"]}],
         [{**PUBLISHED, **BUT_NOTES, "routing_key": "k1"}, {**PUBLISHED, "senders": ["foo.note"]}], None),
    ],
)  # fmt: skip
def test_change_of_senders_is_told_when_an_earlier_rule_takes_all_but_some(forward, before, after, told):
    was, now = forward(*before), forward(*after)
    changed = [(each.effect, each.change) for each in differences(was, now) if each.channel != "k1"]
    assert changed == ([told] if told else [])


def test_text_that_may_be_null_breaks_when_it_is_hashed(forward):
    """Its type is the same."""
    document = forward(TAG)
    was, now = {"type": ["string", "null"]}, {"type": ["string", "null"], "x-redacted": "hashed"}
    fields = document["components"]["schemas"]["foo.tag"]["properties"]["fields"]["properties"]
    before, after = (json.loads(json.dumps(document)) for _ in range(2))
    for text, schema in ((before, was), (after, now)):
        text["components"]["schemas"]["foo.tag"]["properties"]["fields"]["properties"] = {**fields, "name": schema}
    (change,) = differences(before, after)
    assert (change.effect, change.change) == ("breaks", "was string or null; is string or null, hashed")
    (change,) = differences(after, before)
    assert change.effect == "breaks"


def test_rule_that_is_split_without_any_effect_is_no_change(forward):
    assert differences(forward(TAG), forward(OF_VIPS, TAG)) == []
    assert differences(forward(OF_VIPS, TAG), forward(TAG)) == []


def test_kwargs_that_a_dict_may_hold_are_not_gone(forward, monkeypatch):
    def sent_with(*names, **rule):
        monkeypatch.setattr(schemas, "sent_kwargs", lambda known: names)
        return forward({**PUBLISHED, **rule})

    named, handed_on = sent_with("title", "extra"), sent_with("title", "**")
    assert differences(named, handed_on) == []
    assert [(each.effect, each.path) for each in differences(handed_on, named)] == [("adds", "kwargs.extra")]
    (gone,) = differences(named, sent_with("title"))
    assert (gone.effect, gone.path, gone.change) == ("breaks", "kwargs.extra", "is gone")
    (dropped,) = differences(named, sent_with("title", "**", redact={"title": "drop"}))
    assert (dropped.effect, dropped.path) == ("breaks", "kwargs.title")
