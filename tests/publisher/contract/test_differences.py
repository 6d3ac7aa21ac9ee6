"""What a change of a model or a rule means to the consumers of its events."""

import json

import pytest

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
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, "breaks", "was enum ['a']; is enum ['a', 'b']"),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, "narrows", "was enum ['a', 'b']; is enum ['a']"),
    ],
)  # fmt: skip
def test_change_of_a_field_breaks_adds_or_narrows(forward, before, after, effect, told):
    document = forward({"signal": SAVE, "senders": ["foo.article"]})
    (change,) = differences(with_title(document, **before), with_title(document, **after))
    assert (change.effect, change.change) == (effect, told)
    assert (change.channel, change.signal) == ("db.post_save.foo.article", SAVE)
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
    assert (moved.effect, moved.path) == ("breaks", "exchange")
    (renamed,) = differences(before, forward(article, SERVICE="shop"))
    assert (renamed.effect, renamed.channel, renamed.path) == ("breaks", ALL, "source")
