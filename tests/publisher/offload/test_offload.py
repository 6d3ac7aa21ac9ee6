"""Receivers that OFFLOAD names leave the process; nothing else changes for whoever sends, connects or disconnects."""

import asyncio
import gc
import inspect
import json
from functools import partial

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.signals import request_finished
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model
from django.db.models.signals import post_init, post_save
from django.dispatch import Signal
from django.test import override_settings

from consumers.handler import Handler
from consumers.offloaded import offloaded_handlers
from publisher.checks.offload import check_offload
from publisher.listing import at_a_glance, listed_signals, receivers_of
from publisher.models import OutboxEvent
from publisher.offload import offload
from publisher.offload.offloaded import Offloaded
from publisher.offload.stand_in import running, stand_in_of
from publisher.offload_entry import OffloadEntry
from publisher.outbox.writing import OutboxNotWritten, pending
from publisher.stopwatch import IN_PROCESS, OFFLOADED
from publisher.wire.event import decode_event
from tests.foo.models import Article, Draft

HERE = "tests.publisher.offload.test_offload"
done = Signal()
cached = Signal(use_caching=True)
calls = []


def note(sender, **kwargs):
    calls.append((sender, kwargs))
    return "answer"


def other(sender, **kwargs):
    calls.append("other")
    return "other"


async def asynchronous(sender, **kwargs):
    calls.append("async")


class Notes:
    def take(self, sender, **kwargs):
        calls.append(("take", self))

    def __call__(self, sender, **kwargs):
        calls.append(("call", self))


first, second = Notes(), Notes()
note_one, note_two = partial(note, n=1), partial(note, n=2)
note_first = partial(first.take, n=1)


@pytest.fixture(autouse=True)
def _signals():
    """Each test has the signals to itself."""
    saved = [(signal, list(signal.receivers)) for signal in (done, cached, post_save, post_init, request_finished)]
    calls.clear()
    yield
    for signal, receivers in saved:
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()


def offloading(*entries, **more):
    return override_settings(SIGNAL_BRIDGE={"SERVICE": "shop", "OFFLOAD": list(entries), **more})


def rows():
    return [*OutboxEvent.objects.order_by("id"), *pending("default")]


def written():
    return [decode_event(bytes(row.body), row.routing_key) for row in rows()]


@pytest.mark.django_db
def test_receiver_is_not_called_and_what_was_sent_is_in_the_outbox():
    done.connect(note)
    with offloading(f"{HERE}.note"):
        assert [response for _, response in done.send(sender="x", n=1)] == [None]
        assert calls == []
        (event,) = written()
        assert (event.routing_key, event.type, event.kwargs) == (f"@shop.{HERE}.note", f"{HERE}.done", {"n": 1})
        assert rows()[0].keep_unroutable, "its effect is due, whoever listens"


@pytest.mark.django_db
def test_receiver_is_back_when_the_settings_are():
    done.connect(note, dispatch_uid="notes")
    before = list(done.receivers)
    with offloading(f"{HERE}.*"):
        assert done.receivers != before
    assert done.receivers == before
    assert [response for _, response in done.send(sender=None)] == ["answer"]
    assert not rows()


@pytest.mark.django_db
@pytest.mark.parametrize("signal", [done, cached], ids=["plain", "caching"])
@pytest.mark.parametrize("weak", [True, False])
@pytest.mark.parametrize("uid", [None, "uid"])
def test_receiver_is_taken_however_it_is_connected(signal, weak, uid):
    sender = Notes()
    with offloading(f"{HERE}.note"):
        signal.connect(note, sender=sender, weak=weak, dispatch_uid=uid)
        signal.connect(note, sender=sender, weak=weak, dispatch_uid=uid)
        signal.send(sender=sender)
        signal.send(sender=Notes())
        assert (len(written()), calls) == (1, [])
        assert signal.disconnect(note, sender=sender, dispatch_uid=uid)
        signal.send(sender=sender)
        assert len(written()) == 1


@pytest.mark.django_db
def test_receivers_beside_it_are_called_in_their_order():
    for receiver in (other, note, asynchronous):
        done.connect(receiver)
    with offloading(f"{HERE}.note"):
        names = [receiver.__qualname__ for receiver, _ in done.send_robust(sender=None)]
        assert names == ["other", "note", "asynchronous"]
        assert calls == ["other", "async"]


@pytest.mark.django_db
def test_bound_methods_and_callables_are_taken_each_by_a_name_of_its_own():
    one, two = Notes(), Notes()
    for receiver in (one.take, two.take, one, two):
        done.connect(receiver)
    with offloading(f"{HERE}.Notes*"):
        done.send(sender=None)
        keys = [event.routing_key.removeprefix(f"@shop.{HERE}.") for event in written()]
        assert keys == ["Notes.take", "Notes.take~2", "Notes", "Notes~2"]
        assert done.disconnect(one.take)
        found = {offloaded.name.rpartition(".")[2]: offloaded.receiver for offloaded in offload.all_offloaded()}
        assert found == {"take": one.take, "take~2": two.take, "Notes": one, "Notes~2": two}
    assert calls == []


@pytest.mark.parametrize(
    ("entry", "taken"),
    [
        ("second.take", {"second.take": second.take}),
        ("second", {"second": second}),
        ("note_two", {"note_two": note_two}),
        ("first.take", {"first.take": first.take, "first.take~2": note_first}),
        ("Notes.take", {"Notes.take": first.take, "Notes.take~2": second.take, "Notes.take~3": note_first}),
        ("Notes", {"Notes": first, "Notes~2": second}),
        ("note", {"note": note_one, "note~2": note_two}),
        ("note*", {"note": note_one, "note~2": note_two}),
    ],
)
def test_object_is_taken_alone_when_the_entry_names_it_and_all_when_it_names_their_class(entry, taken):
    for receiver in (first.take, second.take, first, second, note_one, note_two, note_first):
        done.connect(receiver)
    with offloading(f"{HERE}.{entry}"):
        found = {offloaded.name.removeprefix(f"{HERE}."): offloaded.receiver for offloaded in offload.all_offloaded()}
        assert not [message for message in check_offload(None) if message.is_serious()]
    assert found == taken


def test_first_entry_decides_when_one_names_the_object_and_one_its_class():
    for receiver in (first.take, second.take):
        done.connect(receiver)
    named, general = {"receiver": f"{HERE}.second.take", "ordered": True}, f"{HERE}.Notes.take"
    with offloading(named, general):
        found = {
            offloaded.name.removeprefix(f"{HERE}."): offloaded.entry.ordered for offloaded in offload.all_offloaded()
        }
        assert found == {"Notes.take": False, "second.take": True}
    with offloading(general, named):
        assert not any(offloaded.entry.ordered for offloaded in offload.all_offloaded())
        assert [message.id for message in check_offload(None)] == ["publisher.W035"]


@pytest.mark.django_db
def test_receivers_of_objects_that_come_and_go_are_each_taken():
    with offloading(f"{HERE}.Notes.take"):
        for _ in range(10):
            notes = Notes()
            done.connect(notes.take)
            done.send(sender=None)
            del notes
            gc.collect()
        assert len(written()) == 10
        assert sum(stand_in_of(row[1]) is not None for row in done.receivers) == 1


@pytest.mark.django_db
def test_collected_receiver_is_left_out_as_django_leaves_it_out():
    notes = Notes()
    done.connect(notes.take)
    with offloading(f"{HERE}.Notes.take"):
        done.send(sender=None)
        del notes
        gc.collect()
        done.send(sender=None)
        assert len(written()) == 1
        assert [offloaded.receiver for offloaded in offload.all_offloaded()] == [None]
        again = Notes()
        done.connect(again.take)
        assert [offloaded.name for offloaded in offload.all_offloaded()] == [f"{HERE}.Notes.take"]


@pytest.mark.django_db
def test_receiver_of_several_signals_is_one():
    for signal in (done, cached):
        signal.connect(note)
    with offloading(f"{HERE}.note"):
        assert len(offload.all_offloaded()) == 1
        done.send(sender=None)
        cached.send(sender=Notes())
        assert [event.type for event in written()] == [f"{HERE}.done", f"{HERE}.cached"]


@pytest.mark.django_db(transaction=True)
def test_asynchronous_receiver_is_taken_and_asend_forwards():
    done.connect(asynchronous)
    with offloading(f"{HERE}.asynchronous"):
        async_to_sync(done.asend)(sender=None)
        done.send(sender=None)
        assert len(rows()) == 2
    assert calls == []


@pytest.mark.django_db
def test_list_of_receivers_that_is_set_aside_is_set_aside():
    """What factory_boy's `mute_signals` does."""
    done.connect(note)
    with offloading(f"{HERE}.note"):
        done.receivers, saved = [], done.receivers
        done.send(sender=None)
        done.receivers = saved
        assert not rows()
        done.send(sender=None)
        assert len(rows()) == 1


@pytest.mark.django_db
def test_kwargs_may_be_called_anything():
    done.connect(note)
    with offloading(f"{HERE}.note"):
        done.send(sender=None, receiver=2, named=3, held=4, known=5)
        assert written()[0].kwargs == {"receiver": 2, "named": 3, "held": 4, "known": 5}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sender", [Draft, None], ids=str)
def test_event_is_in_the_transaction_of_the_save(sender):
    post_save.connect(note, sender=sender)
    with offloading(f"{HERE}.note"):
        with transaction.atomic():
            Draft.objects.create(text="never")
            transaction.set_rollback(True)
        Draft.objects.create(text="x")
        assert [event.subject for event in written()] == [f"foo.draft/{Draft.objects.get().pk}"]
        assert Draft.save_base is not Model.save_base, "in autocommit, event and row are one transaction"
    assert Draft.save_base is Model.save_base


@pytest.mark.django_db
def test_forwarding_and_offloading_are_two_things():
    post_save.connect(note, sender=Article)
    rule = {
        "signal": "django.db.models.signals.post_save",
        "senders": ["foo.Article"],
        "fields": {"foo.Article": ["id"]},
    }
    with offloading(f"{HERE}.note", FORWARD=[rule]):
        Article.objects.create(title="x")
        events = {event.routing_key: event.data["kwargs"]["instance"]["fields"] for event in written()}
    assert events["db.post_save.foo.article"].keys() == {"id"}
    assert events[f"@shop.{HERE}.note"]["title"] == "x", "a rule says what others get"


@pytest.mark.django_db
def test_redacted_field_is_left_out_rather_than_masked():
    post_save.connect(note, sender=Draft)
    with offloading(f"{HERE}.note", REDACT={"text": "mask"}):
        Draft.objects.create(pk=1, text="x")
        (event,) = written()
        Draft.objects.filter(pk=1).update(text="read when asked for")
        assert event.kwargs["instance"].text == "read when asked for"


@pytest.mark.django_db
def test_sessions_and_fixtures_stay_and_the_bridges_own_models_are_silent():
    post_save.connect(note)
    with offloading(f"{HERE}.note"):
        post_save.send(sender=Session, instance=Session(session_key="planted"), raw=False, using="default")
        post_save.send(sender=Article, instance=Article(pk=1), raw=True, using="default")
        post_save.send(sender=OutboxEvent, instance=OutboxEvent(), raw=False, using="default")
        assert not rows()
    assert [sender for sender, _ in calls] == [Session, Article]


@pytest.mark.django_db
def test_what_is_sent_in_migrations_is_received_in_process():
    """Django's own record of a migration, and a model as it was then: a consumer knows neither class."""
    post_save.connect(note)
    past = MigrationLoader(connection).project_state(("auth", "0001_initial")).apps.get_model("auth", "Group")
    recorder = MigrationRecorder(connection)
    with offloading(f"{HERE}.note"):
        recorder.record_applied("foo", "0099_planned")
        past.objects.create(name="of then")
        assert not rows()
    assert [sender for sender, _ in calls] == [recorder.Migration, past]


@pytest.mark.django_db
def test_what_cannot_be_encoded_is_received_in_process(caplog):
    done.connect(note)
    with offloading(f"{HERE}.note", STRICT=True):
        assert [response for _, response in done.send(sender=None, thing=object())] == ["answer"]
        assert [response for _, response in done.send(sender=None, thing=1)] == [None]
    assert len(calls) == 1
    assert f"not offloaded receiver={HERE}.note (1 so far)" in caplog.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("signal", [request_finished, done], ids=["incidental", "another"])
def test_receiver_of_a_signal_of_no_write_runs_in_process_when_there_is_no_outbox(signal, monkeypatch):
    monkeypatch.setattr("publisher.outbox.statement._statement", lambda *args: "INSERT INTO no_such_table VALUES (%s)")
    signal.connect(note, sender=Draft)
    with offloading(f"{HERE}.note"):
        if signal is request_finished:
            assert [response for _, response in signal.send(sender=Draft)][-1] == "answer"
        else:
            with pytest.raises(OutboxNotWritten):
                signal.send(sender=Draft)


@pytest.mark.django_db(transaction=True)
def test_receiver_runs_in_process_when_its_signal_is_sent_in_async_code(caplog):
    async def view():
        return [response for _, response in done.send(sender=None)]

    done.connect(note)
    with offloading(f"{HERE}.note"):
        assert asyncio.run(view()) == ["answer"]
        assert asyncio.run(done.asend(sender=None))[0][1] is None
    assert "await signal.asend" in caplog.text
    assert len(written()) == 1


@pytest.mark.django_db
def test_signal_without_a_name_is_received_in_process(caplog):
    nameless = Signal()
    nameless.connect(note)
    with offloading(f"{HERE}.note"):
        nameless.connect(note, dispatch_uid="again")
        nameless.send(sender=None)
        nameless.send(sender=None)
    assert caplog.text.count("its signal has no name") == 1 + 1
    assert len(calls) == 4


@pytest.mark.django_db
def test_what_a_receiver_does_to_its_own_object_does_not_come_back_to_it():
    post_save.connect(note, sender=Draft)
    with offloading(f"{HERE}.note"):
        draft = Draft(pk=1, text="x")
        with running(f"{HERE}.note", "foo.draft/1"):
            draft.save()
            Draft.objects.create(pk=2, text="another")
        with running("another.receiver", "foo.draft/1"):
            draft.save()
        assert [event.kwargs["instance"].text for event in written()] == ["another", "x"]


def test_globs_leave_lambdas_django_and_the_bridge_alone():
    done.connect(lambda **kwargs: None, weak=False)
    with offloading("*"):
        taken = {offloaded.path for offloaded in offload.all_offloaded()}
    assert not [path for path in taken if path.startswith(("django.", "publisher.", "consumers.")) or "lambda" in path]
    with offloading("django.contrib.auth.*"):
        assert {each.path for each in offload.all_offloaded()} == {"django.contrib.auth.models.update_last_login"}


def test_what_is_called_instead_of_a_receiver_can_be_looked_into_as_a_function():
    """As by `list_signals` of django-extensions, and by whatever else lists receivers."""
    listener = Notes()
    for receiver in (note, listener.take, listener):
        done.connect(receiver)
    with offloading(f"{HERE}.*"):
        found = [receiver for _, receiver, *_ in done.receivers if inspect.getsource(receiver)]
        assert [receiver.__name__ for receiver in found] == ["note", "take", "Notes"]
        assert [receiver.__qualname__ for receiver in found] == ["note", "Notes.take", "Notes"]
        assert {receiver.__module__ for receiver in found} == {HERE}
        assert all(inspect.getsourcefile(receiver) for receiver in found)


def test_receiver_is_the_projects_when_its_uid_begins_as_the_name_of_the_bridge():
    done.connect(note, dispatch_uid="publisher.mine")
    assert list(receivers_of(done, IN_PROCESS)) == [f"{HERE}.note"]
    with offloading(f"{HERE}.*"):
        assert list(receivers_of(done, OFFLOADED)) == [f"{HERE}.note"]


def test_signal_per_row_read_keeps_its_receivers():
    post_init.connect(note, sender=User)
    with offloading(f"{HERE}.note"):
        assert not any(stand_in_of(row[1]) for row in post_init.receivers)


@pytest.mark.parametrize("name", ["a.b", "é" * 60, "x" * 100, "x" * 101, "x" * 300])
def test_name_of_the_queue_is_no_longer_than_it_can_be(name):
    handler = Offloaded(path=name, name=name, held=note, entry=OffloadEntry(receiver=name)).handler
    assert len(handler.encode()) <= 100
    assert handler == name or "~" in handler
    assert handler != Offloaded(path=name, name=f"{name}~2", held=note, entry=OffloadEntry(receiver=name)).handler


def test_receivers_of_apps_that_are_ready_later_are_taken(stage):
    """The publisher is installed before the app: its receivers are connected after the publisher is ready."""
    printed = stage.python(
        """
import json
from publisher.offload.offload import all_offloaded
from django.apps import apps
print(json.dumps([each.path for each in all_offloaded()]), type(apps.ready_event).__name__)
from django.dispatch import receiver
from tests.away.signals import order_placed
@receiver(order_placed)
def late(**kwargs): pass
late.__module__ = "tests.away.receivers"
order_placed.connect(late, dispatch_uid="late")
print(json.dumps([each.path for each in all_offloaded()]))
""",
        TEST_APPS="tests.away",
        TEST_OFFLOAD="tests.away.receivers.reindex,tests.away.receivers.hidden,tests.away.receivers.late",
    )
    early, late = printed.splitlines()
    assert early == '["tests.away.receivers.reindex", "tests.away.receivers.hidden"] Event'
    assert json.loads(late)[2:] == ["tests.away.receivers.late"]


def test_first_entry_that_means_a_receiver_says_how_it_is_run():
    done.connect(note)
    how = {"receiver": f"{HERE}.note", "ordered": True, "retry": [0, 2], "soft_seconds": 5, "hard_seconds": 9.5}
    for entries, is_ordered in (([how], True), ([f"{HERE}.*", how], False), ([how, f"{HERE}.*"], True)):
        with offloading(*entries):
            (handler,) = offloaded_handlers()
            assert (handler.name, handler.ordered) == (f"{HERE}.note", is_ordered)
    with offloading(how):
        (handler,) = offloaded_handlers()
    assert (handler.retry.delays, handler.soft_seconds, handler.hard_seconds) == ((0, 2), 5, 9.5)
    with offloading({"receiver": f"{HERE}.note", "concurrency": 3}):
        (handler,) = offloaded_handlers()
    assert (handler.concurrency, handler.ordered) == (3, False)


def test_handler_is_an_ordinary_one_when_the_entry_says_nothing():
    done.connect(note)
    with offloading({"receiver": f"{HERE}.note"}):
        (handler,) = offloaded_handlers()
    plain = Handler(name="plain", function=note)
    assert (handler.ordered, handler.retry) == (False, plain.retry)
    assert (handler.soft_seconds, handler.hard_seconds) == (plain.soft_seconds, plain.hard_seconds)


def test_entry_that_cannot_be_read_takes_nothing_and_the_others_do():
    done.connect(note)
    with offloading(5, {"receiver": f"{HERE}.note", "order": True}):
        assert offload.all_offloaded() == ()
    with offloading(5, f"{HERE}.note"):
        assert len(offload.all_offloaded()) == 1


def test_listing_shows_which_are_run_in_order():
    done.connect(note)
    with offloading({"receiver": f"{HERE}.note", "ordered": True}):
        (listed,) = [each for each in listed_signals() if each.offloaded]
    assert listed.ordered == listed.offloaded == (f"{HERE}.note",)
    assert at_a_glance(listed).offloaded == (f"{HERE}.note  in order",)


def test_listing_shows_the_function_when_a_partial_is_offloaded():
    done.connect(partial(note, "x"), weak=False)
    with offloading(f"{HERE}.note"):
        (listed,) = [each for each in listed_signals() if each.offloaded]
    assert listed.offloaded == (f"{HERE}.note",)
