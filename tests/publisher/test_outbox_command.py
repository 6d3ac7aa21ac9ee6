"""What `manage.py outbox` does with events that are out of the line: the refused, and those that wait for a queue."""

import json
import time
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils.timezone import now

from publisher.models import OUTBOX, OutboxEvent, ParkedEvent, RelayLease, UnroutableKey
from publisher.outbox.parked import parked
from publisher.outbox.unroutable import unroutable_keys
from tests.databases import without_table
from tests.leasing import held

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _parked():
    """Two that the broker refused, 1 and 2; three that are kept, from 3 on; and one that was dropped."""
    for number, kind in enumerate(["refused"] * 2 + ["unroutable"] * 3, start=1):
        ParkedEvent.objects.create(
            id=number, message_id=f"e{number}", type="t", routing_key="a.key", partitionkey="", slot=0,
            keep_unroutable=kind == "unroutable", body=b"{}", kind=kind, reason="",
        )  # fmt: skip
    unroutable_keys("default").add({"b.key": 1})


def outbox(*arguments):
    out = StringIO()
    call_command("outbox", *arguments, stdout=out)
    return out.getvalue()


def ids(model=ParkedEvent):
    return list(model.objects.values_list("id", flat=True))


def test_all_that_is_refused_is_discarded_and_what_is_kept_for_a_queue_is_not():
    assert outbox("discard", "--all") == (
        "2 discarded.\n3 events are kept for a queue that is not bound yet: --kept discards them.\n"
    )
    assert ids() == [3, 4, 5]
    assert not UnroutableKey.objects.exists()


def test_kept_events_are_discarded_when_they_are_meant():
    assert outbox("discard", "--kept") == "3 discarded.\n"
    assert ids() == [1, 2]
    assert UnroutableKey.objects.exists()


def test_nothing_is_left_when_both_kinds_are_meant():
    assert outbox("discard", "--all", "--kept") == "5 discarded.\n"
    assert ids() == []


def test_event_is_discarded_by_its_id_whatever_it_waits_for():
    assert outbox("discard", "2", "3") == "2 discarded.\n"
    assert ids() == [1, 4, 5]
    assert UnroutableKey.objects.exists()


@pytest.mark.parametrize(
    ("flags", "question"), [(["--all"], "2 parked events"), (["--kept"], "3 parked events"), (["--all", "--kept"], "5")]
)
@pytest.mark.parametrize("answer", ["", "\n", "n\n", "what\n"], ids=repr)
def test_nothing_is_discarded_on_a_terminal_that_does_not_agree(terminal, capsys, flags, question, answer):
    terminal(answer)
    assert outbox("discard", *flags) == ""
    assert f"Discard {question}" in capsys.readouterr().err
    assert (len(ids()), UnroutableKey.objects.exists()) == (5, True)


def test_all_are_discarded_on_a_terminal_that_agrees(terminal):
    terminal("y\n")
    assert outbox("discard", "--all").startswith("2 discarded.")


@pytest.mark.parametrize("arguments", [("--all", "--no-input"), ("--all", "--noinput"), ("1",)], ids=repr)
def test_nothing_is_asked_on_a_terminal_when_it_is_not_wanted(terminal, capsys, arguments):
    terminal("")
    assert "discarded." in outbox("discard", *arguments)
    assert "[y/N]" not in capsys.readouterr().err


def test_all_are_put_back_when_all_are_tried_again():
    assert outbox("retry", "--all") == "5 put back into the outbox.\n"
    assert ids(OutboxEvent) == [1, 2, 3, 4, 5]


def test_kept_events_alone_are_put_back_when_they_are_meant():
    assert outbox("retry", "--kept") == "3 put back into the outbox.\n"
    assert ids() == [1, 2]
    assert ids(OutboxEvent) == [3, 4, 5]


@pytest.mark.parametrize(
    ("arguments", "done"),
    [
        (("retry", "--all"), {"put_back": 5}),
        (("retry", "1"), {"put_back": 1}),
        (("discard", "--all"), {"discarded": 2}),
        (("discard", "1"), {"discarded": 1}),
    ],
    ids=repr,
)
def test_what_was_done_is_json_when_it_is_for_programs(arguments, done):
    assert json.loads(outbox(*arguments, "--format", "json")) == done


@pytest.mark.parametrize("arguments", [(), ("1", "--all"), ("1", "--kept")], ids=repr)
def test_usage_is_wrong_when_it_is_not_clear_which_are_meant(arguments):
    with pytest.raises(CommandError) as caught:
        outbox("discard", *arguments)
    assert caught.value.returncode == 2
    assert len(ids()) == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "1"), "`show` shows all: IDs, --all and --kept go with `retry` or `discard`"),
        (("show", "--kept"), "`show` shows all"),
        (("--all",), "`show` shows all"),
        (("retry", "--all", "--max-age", "5"), "--max-age goes with `show`, not with `retry`"),
    ],
    ids=repr,
)
def test_usage_is_wrong_when_what_is_said_does_not_belong_together(arguments, said):
    with pytest.raises(CommandError, match=said) as caught:
        outbox(*arguments)
    assert caught.value.returncode == 2
    assert len(ids()) == 5


def test_event_that_gave_way_is_named_by_its_lower_id():
    parked("default").give_way()
    least = min(ids())
    assert outbox("retry", str(least)) == "1 put back into the outbox.\n"
    assert least not in ids()


@pytest.mark.parametrize("id", ["9" * 20, f"-{'9' * 20}", "0", "x", "1-1"])
def test_id_that_no_row_can_have_is_refused(id):
    with pytest.raises(CommandError, match="expected the number of a parked event, as `show` lists it, not"):
        outbox("retry", id)


def test_nobody_is_said_to_relay_when_no_lease_is_held():
    assert "No relay has the lease" in outbox()
    leases = held()
    assert "No relay" not in outbox()
    assert leases.holder in outbox()
    leases.give_up()
    assert "No relay has the lease" in outbox()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", OUTBOX, ids=lambda model: model.__name__)
def test_command_says_to_migrate_when_a_table_is_missing(model):
    with without_table(model), pytest.raises(CommandError, match=r"; run: manage.py migrate publisher") as caught:
        outbox()
    assert caught.value.returncode == 78


def test_keys_of_the_most_events_are_shown_when_they_are_many():
    unroutable_keys("default").add({f"key.{n:02}": n for n in range(1, 60)})
    shown = outbox()
    assert "and 11 more: --format json has all." in shown
    assert [f"key.{n:02}" in shown for n in (59, 10, 9)] == [True, True, False]
    unroutable = json.loads(outbox("--format", "json"))["unroutable"]
    assert len(unroutable) == 61
    assert [key["routing_key"] for key in unroutable[:2]] == ["key.59", "key.58"]


BOTH = pytest.mark.django_db(databases=["default", "other"])


def waits(using="default", seconds=0, message_id=None):
    """An event that was made so long ago. A UUID of version 7 begins with its time."""
    made_at = f"{int((time.time() - seconds) * 1000):012x}"
    OutboxEvent.objects.using(using).create(
        message_id=message_id or f"{made_at[:8]}-{made_at[8:]}-7000-8000-000000000000", type="t", routing_key="k",
        partitionkey="k", slot=0, keep_unroutable=False, body=b"{}",
    )  # fmt: skip


@BOTH
def test_other_databases_are_named_when_events_wait_there_whatever_the_rules_say(capsys):
    outbox()
    assert capsys.readouterr().err == ""
    waits("other")
    outbox()
    assert "Outbox of 'other', too: 1 pending, 0 parked. It needs a relay" in capsys.readouterr().err
    (other,) = json.loads(outbox("--format", "json"))["elsewhere"]
    assert (other["database"], other["pending"], other["parked"]) == ("other", 1, 0)
    outbox("--database", "other")
    assert "Outbox of 'default', too: 0 pending, 5 parked." in capsys.readouterr().err


@BOTH
def test_replica_is_not_named_when_it_shows_the_same_events_or_the_same_relay(capsys):
    waits()
    waits("other", message_id=OutboxEvent.objects.get().message_id)
    outbox()
    assert capsys.readouterr().err == ""
    OutboxEvent.objects.all().delete()
    holder = held().holder
    RelayLease.objects.using("other").create(shard=0, holder=holder)
    outbox()
    assert capsys.readouterr().err == ""


@BOTH
def test_others_are_not_waited_for_when_they_are_away_or_without_an_outbox(settings, capsys):
    away = {**connections.settings["default"], "HOST": "192.0.2.1", "PORT": "5432", "NAME": "away"}
    added = {
        "away": {**away, "ENGINE": "django.db.backends.postgresql"},
        "unknown": {**away, "ENGINE": "no.such.backend"},
        "nothing": {**away, "ENGINE": "django.db.backends.dummy"},
    }
    connections.settings.update(added)
    try:
        waits("other")
        began = time.monotonic()
        outbox()
        assert time.monotonic() - began < 10
        assert "Outbox of 'other', too: 1 pending" in capsys.readouterr().err
        assert connections["away"].settings_dict["OPTIONS"] == away["OPTIONS"]
    finally:
        for alias in added:
            del connections.settings[alias]
            if hasattr(connections._connections, alias):
                delattr(connections._connections, alias)


@BOTH
@pytest.mark.parametrize("using", ["default", "other"])
def test_events_that_wait_for_too_long_end_it_with_one(using):
    outbox("--max-age", "1")
    waits(using, seconds=100)
    outbox("--max-age", "200")
    with pytest.raises(CommandError, match=rf"{using}' has waited for 1\d\d seconds, more than 60") as caught:
        outbox("--max-age", "60")
    assert caught.value.returncode == 1


def test_age_of_an_event_that_was_put_back_counts_from_then():
    long_ago = "01900000-0000-7000-8000-000000000000"
    ParkedEvent.objects.update(message_id=long_ago)
    parked("default").put_back()
    outbox("--max-age", "60")
    OutboxEvent.objects.filter(id=2).update(put_back_at=now() - timedelta(seconds=100))
    with pytest.raises(CommandError, match=r"waited for 10\d seconds"):
        outbox("--max-age", "60")
    OutboxEvent.objects.filter(id=2).update(put_back_at=None)
    with pytest.raises(CommandError, match=r"waited for \d{8,} seconds"):
        outbox("--max-age", "60")


def test_events_id_is_on_one_line_whatever_the_reason(monkeypatch):
    monkeypatch.setattr("publisher.terminal.PIPE_COLUMNS", 150)
    id = "01a20cc4-0540-72a7-acf6-bc9ea8964f7e"
    reason = (
        "the broker closed the connection over it: " + "PRECONDITION_FAILED - message is larger than it may be " * 4
    )
    ParkedEvent.objects.update(message_id=id, routing_key="db.post_save.orders.order", reason=reason)
    said = outbox()
    assert said.count(id) == 2
    assert max(map(len, said.splitlines())) <= 150
