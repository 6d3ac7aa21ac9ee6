"""What is remembered of events, and for how long."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models.signals import pre_delete
from django.utils import timezone

from consumers.inbox import forget, prune
from consumers.models import Attempt, InboxEvent
from consumers.querysets import attempts, inbox
from publisher.wire.event import Event
from tests.databases import without_table


@pytest.mark.django_db
def test_old_inbox_rows_are_forgotten(capsys):
    for days, name in ((1, "new"), (29, "younger"), (31, "older")):
        row = InboxEvent.objects.create(subscription="h", event_id=name)
        InboxEvent.objects.filter(pk=row.pk).update(handled_at=timezone.now() - timedelta(days=days))
    call_command("prune_inbox")
    assert capsys.readouterr().out == "1 forgotten, older than 30 days.\n"
    assert {row.event_id for row in InboxEvent.objects.all()} == {"new", "younger"}
    call_command("prune_inbox", "--days", "2")
    assert {row.event_id for row in InboxEvent.objects.all()} == {"new"}


@pytest.mark.django_db
@pytest.mark.parametrize(("age", "told"), [("0.5", "0.5 days"), ("1", "1 day"), ("0", "0 days")])
def test_age_is_told_as_it_was_given(capsys, age, told):
    call_command("prune_inbox", "--days", age)
    assert capsys.readouterr().out == f"0 forgotten, older than {told}.\n"


@pytest.mark.django_db
def test_forgetting_is_one_statement_and_sends_no_signal(django_assert_num_queries):
    """An app may listen to every model's deletions."""
    event = Event(specversion="1.0", id="1", source="/x", type="t")
    inbox("default").admit("h", event)
    attempts("default").begin("h", event)
    heard = []
    pre_delete.connect(lambda sender, **kwargs: heard.append(sender), dispatch_uid="test", weak=False)
    try:
        with django_assert_num_queries(2):
            assert forget("default", timedelta(days=-1)) == 1
        with django_assert_num_queries(2):
            attempts("default").end("h", event)
            inbox("default").forget("h", [event])
    finally:
        pre_delete.disconnect(dispatch_uid="test")
    assert heard == []


@pytest.mark.django_db
@pytest.mark.parametrize("forget", [lambda: call_command("prune_inbox"), prune], ids=["command", "worker"])
def test_starts_of_events_that_never_came_again_are_forgotten_too(forget, monkeypatch):
    monkeypatch.setattr("consumers.inbox.connections.close_all", lambda: None)
    for days, name in ((1, "new"), (31, "older")):
        row = Attempt.objects.create(subscription="h", event_id=name)
        Attempt.objects.filter(pk=row.pk).update(last_at=timezone.now() - timedelta(days=days))
    forget()
    assert [row.event_id for row in Attempt.objects.all()] == ["new"]


@pytest.mark.django_db
def test_attempts_are_counted_for_good_and_forgotten_together():
    event = Event(specversion="1.0", id="e" * 500, source="/x", type="t")
    assert [attempts("default").begin("h", event) for _ in range(3)] == [1, 2, 3]
    assert attempts("default").begin("other", event) == 1
    attempts("default").end("h", event)
    assert Attempt.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("days", ["-1", "nan", "inf", "soon", "36501"])
def test_nothing_is_forgotten_when_the_days_are_no_age(days):
    InboxEvent.objects.create(subscription="h", event_id="new")
    with pytest.raises(CommandError, match="days"):
        call_command("prune_inbox", f"--days={days}")
    assert InboxEvent.objects.exists()


@pytest.mark.django_db
def test_long_names_are_kept_apart():
    event = Event(specversion="1.0", id="1", source="/x", type="t")
    first, second = ("s" * 100 + "." + "h" * 99 + end for end in "ab")
    assert [inbox("default").admit(name, event) for name in (first, second, first)] == [True, True, False]
    assert [attempts("default").begin(name, event) for name in (first, second, first)] == [1, 1, 2]
    assert max(len(row.subscription) for row in InboxEvent.objects.all()) == 150


@pytest.mark.django_db(transaction=True)
def test_command_says_to_migrate_when_there_is_no_inbox():
    with without_table(InboxEvent), pytest.raises(CommandError, match=r"; run: manage.py migrate consumers"):
        call_command("prune_inbox")


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])
def test_handlers_have_inboxes_of_their_own_though_the_database_takes_their_names_for_one(stage):
    """Of two services on one database, too."""
    names = ["shop.sync", "shop.Sync", "shop.sýnc", "Shop.sync", f"{'x' * 200}A", f"{'x' * 200}a"]
    code = f"""
from consumers.querysets import attempts, inbox
from publisher.wire.event import Event

event = Event(specversion="1.0", id="1", source="/x", type="t")
for name in {names}:
    rows = inbox("default")
    print(bool(rows.admit(name, event)), bool(rows.admit(name, event)), attempts("default").begin(name, event))
"""
    assert stage.python(code).splitlines() == ["True False 1"] * len(names)
