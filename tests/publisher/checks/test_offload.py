"""What is wrong with OFFLOAD is told: id, offending value, hint."""

import json

import pytest
from django.apps import apps

from consumers.offloaded import offloaded_handlers
from publisher.checks.offload import check_offload

CODE = """
import json
from publisher.checks.offload import check_offload
print(json.dumps([(each.id, each.msg, each.hint) for each in check_offload(None)]))
"""
AWAY = "tests.away.receivers"


def note(**kwargs):
    """What somebody may put into the list instead of its path."""


@pytest.fixture(scope="module")
def told(databases, tmp_path_factory, django_db_blocker):
    """All that is told of the app's receivers, in a process that has them."""
    from tests.stage import Stage

    entries = [
        "*",
        "reindex",
        "reindx",
        "on_shipped",
        "not_connected",
        "per_row",
        "per_r*",
        "<lambda>",
        "Mailer.send",
        "Mailer.sned",
    ]
    with django_db_blocker.unblock(), databases.fresh("sqlite") as database:
        stage = Stage(tmp_path_factory.mktemp("away"), database, "amqp://127.0.0.1:9/", {})
        offload = ",".join([*(f"{AWAY}.{entry}" for entry in entries), "no.such.receiver", "zzz.*"])
        printed = stage.python(CODE, TEST_APPS="tests.away", TEST_OFFLOAD=offload)
    return json.loads(printed)


@pytest.mark.parametrize(
    ("id", "words", "hint"),
    [
        ("publisher.E031", "receivers.reindx': there is no such receiver", f"'{AWAY}.reindex'"),
        ("publisher.E031", "Mailer.sned': there is no such receiver", f"'{AWAY}.Mailer.send'"),
        ("publisher.E031", "'no.such.receiver': there is no such receiver", "manage.py signals"),
        ("publisher.E031", "'zzz.*': there is no such receiver", "manage.py signals"),
        ("publisher.E032", "on_shipped' is a lambda", "a function with a name"),
        ("publisher.E032", "<lambda>' is a lambda", "a function with a name"),
        ("publisher.E033", "per_row' cannot be offloaded from django.db.models.signals.post_init", "each row"),
        ("publisher.E033", f"per_r*' ({AWAY}.per_row) cannot be offloaded from", "each row"),
        ("publisher.E034", "not_connected' is connected to no signal", "AppConfig.ready()"),
        ("publisher.W030", f"{AWAY}.answers returns a value (line", "gets None"),
        ("publisher.W031", f"{AWAY}.normalise changes the instance (line", "not saved"),
        ("publisher.W031", f"{AWAY}.log_all changes the instance (line", "does not reach"),
        ("publisher.W032", f"{AWAY}.needs_request needs the real request (line", "Method, path"),
        ("publisher.W032", f"{AWAY}.hands_on passes all its kwargs on, the request too (line", "may need more"),
        ("publisher.W036", f"{AWAY}.audit_deletion passes the instance on before a write (line", "may look into the"),
        ("publisher.W033", f"{AWAY}.wants_token asks for 'reset_token'", "would fail"),
        ("publisher.W036", f"{AWAY}.normalise looks into the database before a write (line", "after the transaction"),
        ("publisher.W038", f"{AWAY}.wants_old reads instance._old_title, which is no field", "'changes': True"),
        ("publisher.W034", f"'{AWAY}.*' leaves a lambda in process", "a function with a name"),
    ],
)
def test_it_is_told_with_a_hint(told, id, words, hint):
    (found,) = [message for message in told if message[0] == id and words in message[1]]
    assert hint in found[2]


def test_nothing_is_told_of_receivers_that_can_go(told):
    about = [message for _, message, _ in told]
    for name in ("reindex", "count_tags", "tagged", "flaky", "Mailer.send", "asynchronous"):
        assert not [message for message in about if f"{AWAY}.{name} " in message or f"{AWAY}.{name}'" in message]


ENTRY = f"{AWAY}.reindex"


@pytest.mark.parametrize(
    ("entry", "words", "hint"),
    [
        (5, "an entry is a receiver's path or a dict, not 5", "dicts as {'receiver':"),
        (None, "not None", "`manage.py signals` shows"),
        (note, "a receiver's path or a dict, not <function note", "`manage.py signals` shows"),
        ({"reciever": ENTRY}, "unknown keys ['reciever']", "Did you mean 'receiver'?"),
        ({"receiver": ENTRY, "order": True}, "unknown keys ['order']", "Did you mean 'ordered'"),
        ({"receiver": ENTRY, "ignore_own": True}, "unknown keys ['ignore_own']", "There are: receiver, ordered, retry"),
        ({"receiver": ENTRY, 5: True}, "unknown keys [5]", "There are: receiver"),
        ({"ordered": True}, "an entry needs the key 'receiver'", "dicts as {'receiver':"),
        ({"receiver": note}, "'receiver' must be a dotted path, or a glob, not <function", "dicts as {'receiver':"),
        ({"receiver": ""}, "'receiver' must be a dotted path", "dicts as {'receiver':"),
        (
            {"receiver": ENTRY, "ordered": "yes"},
            "'ordered' must be True or False, not 'yes'",
            "Give True or False, or leave 'ordered' out.",
        ),
        (
            {"receiver": ENTRY, "retry": 5},
            "'retry' must be a list of seconds up to a year, as [1, 10, 60], not 5",
            "Give a list of seconds up to a year, as [1, 10, 60], or leave 'retry'",
        ),
        ({"receiver": ENTRY, "retry": [1, -1]}, "'retry' must be a list of seconds", "Give a list of seconds"),
        (
            {"receiver": ENTRY, "concurrency": 0},
            "'concurrency' must be a number of calls at a time, not 0",
            "Give a number of",
        ),
        (
            {"receiver": ENTRY, "concurrency": 2, "ordered": True},
            "'concurrency' is for receivers that are not 'ordered'",
            "Leave 'ordered' or 'concurrency' out.",
        ),
        ({"receiver": ENTRY, "soft_seconds": 0}, "'soft_seconds' must be a number of seconds, not 0", "Give a number"),
        (
            {"receiver": ENTRY, "hard_seconds": True},
            "'hard_seconds' must be a number of seconds, not True",
            "Give a number",
        ),
    ],
    ids=range(17),  # the repr of a function is another one in each process
)
def test_e035_when_an_entry_cannot_be_read(settings, entry, words, hint):
    settings.SIGNAL_BRIDGE = {"OFFLOAD": [entry]}
    (error,) = check_offload(None)
    assert (error.id, error.is_serious()) == ("publisher.E035", True)
    assert error.msg.startswith("SIGNAL_BRIDGE['OFFLOAD'][0]: ")
    assert words in error.msg
    assert hint in error.hint


@pytest.mark.parametrize("seconds", [40_000_000, 10**9, float("inf")])
def test_e035_when_a_pause_is_longer_than_a_year(settings, seconds):
    entry = {"receiver": "django.contrib.auth.models.update_last_login", "retry": [seconds]}
    settings.SIGNAL_BRIDGE = {"OFFLOAD": [entry]}
    (error,) = check_offload(None)
    assert error.id == "publisher.E035"
    assert "up to a year" in error.hint
    assert list(offloaded_handlers()) == [], "the entry takes no receiver"


def test_receiver_of_a_dict_is_looked_for_as_that_of_a_path(settings):
    settings.SIGNAL_BRIDGE = {"OFFLOAD": [{"receiver": "django.contrib.auth.models.update_lst_login", "ordered": True}]}
    (error,) = check_offload(None)
    assert error.id == "publisher.E031"
    assert "'django.contrib.auth.models.update_last_login'" in error.hint


def test_w035_when_an_earlier_entry_decides(settings):
    first, second = "django.contrib.auth.*", {"receiver": "django.contrib.auth.models.update_last_login", "retry": [1]}
    settings.SIGNAL_BRIDGE = {"OFFLOAD": [first, second]}
    assert [each.id for each in check_offload(None) if each.id != "publisher.W031"] == ["publisher.W035"]
    settings.SIGNAL_BRIDGE = {"OFFLOAD": [second, first]}
    assert [each.id for each in check_offload(None) if each.id != "publisher.W031"] == []


@pytest.mark.parametrize(
    ("redact", "asked_for"),
    [({"user": "mask"}, ["'user'"]), ({"user": "keep"}, []), ({"user": "encrypt"}, []), (["user"], [])],
    ids=repr,
)
def test_w033_is_told_of_what_redact_means_alone(settings, redact, asked_for):
    settings.SIGNAL_BRIDGE = {"OFFLOAD": ["django.contrib.auth.models.update_last_login"], "REDACT": redact}
    found = [message.msg for message in check_offload(None) if message.id == "publisher.W033"]
    assert [message.partition(" asks for ")[2].partition(",")[0] for message in found] == asked_for


@pytest.mark.parametrize("value", [None, "a.b", {"a": 1}, 5], ids=repr)
def test_e030_when_it_is_no_list(settings, value):
    settings.SIGNAL_BRIDGE = {"OFFLOAD": value}
    (error,) = check_offload(None)
    assert (error.id, error.is_serious()) == ("publisher.E030", True)
    assert repr(value) in error.msg
    assert error.hint


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\nraise RuntimeError('broken')", "RuntimeError: broken ({folder}/broken_receivers.py:2)"),
        ("index = None\nNone.index", "'NoneType' object has no attribute 'index' ({folder}/broken_receivers.py:2)"),
        ("import no_such_module", "No module named 'no_such_module' ({folder}/broken_receivers.py:1)"),
        ("\ndef (", "SyntaxError: invalid syntax (broken_receivers.py, line 2)"),
    ],
)
def test_reason_and_line_are_told_when_the_module_cannot_be_imported(settings, tmp_path, monkeypatch, text, reason):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_receivers.py").write_text(text)
    settings.SIGNAL_BRIDGE = {"OFFLOAD": ["broken_receivers.index"]}
    (error,) = check_offload(None)
    assert (error.id, error.hint[:15]) == ("publisher.E031", "Mend the module")
    assert ": broken_receivers cannot be imported: " in error.msg
    assert reason.format(folder=tmp_path.name) in error.msg
    assert "there is no such receiver" not in error.msg


def test_nothing_is_told_when_nothing_is_offloaded(settings):
    settings.SIGNAL_BRIDGE = {}
    assert check_offload(None) == []


def test_w037_when_nothing_is_installed_to_run_what_is_offloaded(settings, monkeypatch):
    settings.SIGNAL_BRIDGE = {"OFFLOAD": ["tests.nowhere.receiver"]}
    is_installed = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda name: name != "consumers" and is_installed(name))
    assert "publisher.W037" in [message.id for message in check_offload(None)]
    monkeypatch.undo()
    assert "publisher.W037" not in [message.id for message in check_offload(None)]
