"""Rules: read, or not; taken, or not."""

import pytest

from publisher.rule_entry import rule_from, rules_from
from publisher.rules import Rule, first_match, may_decide

SAVE = "django.db.models.signals.post_save"


def test_rule_is_its_signal_when_it_is_a_string():
    assert rule_from(SAVE) == Rule(signal=SAVE)


def test_rule_has_all_that_was_given():
    rule = rule_from(
        {
            "signal": SAVE,
            "senders": ["blog.Comment"],
            "exclude": ("blog.Draft",),
            "fields": {"blog.Comment": ["text"]},
            "omit_fields": {"blog.Comment": ["ip"]},
            "routing_key": "a.{kwargs[b]}",
            "when": "blog.rules.is_public",
            "delivery": "outbox",
            "unroutable": "keep",
        }
    )
    assert rule == Rule(
        signal=SAVE,
        senders=("blog.comment",),
        exclude=("blog.draft",),
        fields={"blog.comment": frozenset({"text"})},
        omit_fields={"blog.comment": frozenset({"ip"})},
        routing_key="a.{kwargs[b]}",
        when="blog.rules.is_public",
        unroutable="keep",
    )


BAD = [
    None,
    5,
    ["a.b"],
    {},
    {"senders": ["a.b"]},
    {"signal": 5},
    {"signal": SAVE, "sender": "blog.Comment"},
    {"signal": SAVE, "senders": "blog.Comment"},
    {"signal": SAVE, "senders": None},
    {"signal": SAVE, "senders": [5]},
    {"signal": SAVE, "senders": []},
    {"signal": SAVE, "exclude": 5},
    {"signal": SAVE, "fields": ["text"]},
    {"signal": SAVE, "fields": {"blog.Comment": "text"}},
    {"signal": SAVE, "omit_fields": {5: ["text"]}},
    {"signal": SAVE, "delivery": "outbx"},
    {"signal": SAVE, "delivery": {}},
    {"signal": SAVE, "delivery": "ask", "timeout": "1"},
    {"signal": SAVE, "unroutable": "kep"},
]


@pytest.mark.parametrize("entry", BAD, ids=repr)
def test_rule_is_not_read_when_the_entry_is_bad(entry):
    with pytest.raises((TypeError, ValueError)):
        rule_from(entry)


def test_bad_entries_forward_nothing_and_the_good_go_on():
    assert rules_from([*BAD, SAVE, {"sgnal": SAVE}]) == (Rule(signal=SAVE),)


@pytest.mark.parametrize("entries", [None, 5, SAVE, {"signal": SAVE}], ids=repr)
def test_no_rule_is_read_when_there_is_no_list(entries):
    assert rules_from(entries) == ()


@pytest.mark.parametrize(
    ("signal", "name", "taken"),
    [
        (SAVE, SAVE, True),
        ("django.db.models.signals.post_*", SAVE, True),
        ("django.db.*", SAVE, True),
        ("*", SAVE, True),
        ("*.post_save", SAVE, True),
        ("django.db.models.signals.pre_*", SAVE, False),
        ("django.db.models.signals.POST_SAVE", SAVE, False),
        ("*", "blog.signals.flagged", True),
        ("*", "django.db.models.signals.post_init", False),
        ("django.db.models.signals.*", "django.db.models.signals.pre_init", False),
        ("django.db.models.signals.class_prepare?", "django.db.models.signals.class_prepared", False),
        ("django.db.models.signals.post_init", "django.db.models.signals.post_init", True),
        ("*", "debug_toolbar.toolbar.DebugToolbar._created", False),
        ("debug_toolbar.*", "debug_toolbar.toolbar.DebugToolbar._created", False),
        ("debug_toolbar.toolbar.DebugToolbar._created", "debug_toolbar.toolbar.DebugToolbar._created", True),
        ("*", "allauth.account.signals._add_email", True),
    ],
)
def test_rule_takes_signals_by_path_or_glob(signal, name, taken):
    assert Rule(signal=signal).takes_signal(name) is taken


@pytest.mark.parametrize("name", ["django.db.models.signals.pre_migrate", "django.db.models.signals.post_migrate"])
@pytest.mark.parametrize(
    ("signal", "senders", "taken"),
    [
        ("*", (), True),
        ("*", ("blog.*",), False),
        ("django.db.models.signals.*", ("*",), False),
        (None, ("blog.blogconfig",), True),
    ],
)
def test_glob_with_senders_takes_no_signals_of_which_apps_are_the_senders(name, signal, senders, taken):
    assert Rule(signal=signal or name, senders=senders).takes_signal(name) is taken


@pytest.mark.parametrize(
    ("senders", "exclude", "label", "taken"),
    [
        ((), (), "blog.comment", True),
        ((), (), None, True),
        ((), ("blog.*",), "blog.comment", False),
        ((), ("blog.*",), None, True),
        (("blog.*",), (), "blog.comment", True),
        (("blog.*",), (), "auth.user", False),
        (("blog.*",), (), None, False),
        (("blog.*",), ("blog.draft",), "blog.draft", False),
        (("blog.comment", "auth.user"), (), "auth.user", True),
        (("django.wsgihandler",), (), "django.wsgihandler", True),
        ((), (), "sessions.session", False),
        (("*",), (), "sessions.session", False),
        (("sessions.*",), (), "sessions.session", False),
        (("sessions.session",), (), "sessions.session", True),
        (("sessions.session",), ("sessions.*",), "sessions.session", False),
        (("*",), (), "publisher.outboxevent", False),
        (("publisher.outboxevent",), (), "publisher.outboxevent", False),
        (("consumers.*",), (), "consumers.inbox", False),
    ],
)
def test_rule_takes_senders_by_label(senders, exclude, label, taken):
    assert Rule(signal=SAVE, senders=senders, exclude=exclude).takes_sender(label) is taken


def test_first_rule_decides_when_several_match():
    rules = (
        Rule(signal=SAVE, senders=("auth.*",), routing_key="one"),
        Rule(signal=SAVE, senders=("blog.*",), routing_key="two"),
        Rule(signal=SAVE, routing_key="three"),
    )
    assert [first_match(rules, label).routing_key for label in ("auth.user", "blog.comment", "x.y", None)] == [
        "one", "two", "three", "three",
    ]  # fmt: skip
    assert first_match((), "auth.user") is None


@pytest.mark.parametrize(
    ("sender", "keys"),
    [
        ("auth.user", ["vip", "new", "auth"]),
        ("blog.comment", ["new", "rest"]),
        # Whoever sends it: what comes after the rule for all is for nobody.
        (None, ["vip", "new", "auth", "rest"]),
    ],
)
def test_rule_with_when_leaves_events_to_those_behind_it(sender, keys):
    rules = (
        Rule(signal=SAVE, senders=("auth.*",), when="a.is_vip", routing_key="vip"),
        Rule(signal=SAVE, when="a.is_new", routing_key="new"),
        Rule(signal=SAVE, senders=("auth.*",), routing_key="auth"),
        Rule(signal=SAVE, routing_key="rest"),
        Rule(signal=SAVE, routing_key="never"),
    )
    assert [rule.routing_key for rule in may_decide(rules, sender)] == keys
