"""One delivery to one handler: called as a receiver is, or a dead letter with the reason."""

import json
from functools import wraps
from threading import Event as Flag

import pytest
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from msgspec.structs import replace

from consumers.bindings import keys_of
from consumers.exceptions import BatchFailed, Reject, Retry
from consumers.handler import Handler, triggers_of
from consumers.handling.handling import Handling
from consumers.handling.received import Received
from consumers.handling.results import AtAnother, Dead, Failed, Handled, is_a_failure
from consumers.models import InboxEvent
from consumers.querysets import inbox
from consumers.retry import Backoff
from consumers.worker.asked import Asked
from publisher.catalogue.signals import named
from publisher.events.dispatch import encoded_event
from publisher.rules import Rule
from publisher.wire.event import Event
from publisher.wire.properties import made
from tests.foo.models import Article, Draft, Tag
from tests.foo.signals import article_published, user_login

SAVE = "django.db.models.signals.post_save"
LOGIN = "tests.foo.signals.user_login"


def body(sender, path=LOGIN, **kwargs):
    return encoded_event(named(path), sender, kwargs, Rule(signal=path), "blog").body


def foreign(**changes):
    return json.dumps({"specversion": "1.0", "id": "1", "source": "/x", "type": LOGIN, **changes}).encode()


class Calls(list):
    """A handler that remembers what it got."""

    def __call__(self, /, *args, **kwargs):
        self.append((args, kwargs))


def handling(*signals, sender=None, function=None, **more):
    """A handler without a database and without a second attempt, and what it is called with."""
    function, once = function if function is not None else Calls(), Backoff(delays=())
    triggers = triggers_of(signals, (sender,))
    handler = Handler(**{"name": "handle", "function": function, "triggers": triggers, "retry": once, **more})
    handle = Handling(handler, "blog.handle", stop=Flag(), has_database=False)
    return lambda body, key: handle(Received(body=body, routing_key=key)), function


def test_event_is_handled_when_a_strangers_extensions_are_odd():
    handle, calls = handling(user_login)
    odd = foreign(hops="many", correlationid=5, causationid=[], traceparent={}, partitionkey=1.5, data={"kwargs": {}})
    assert isinstance(handle(odd, "a.key"), Handled)
    ((_, kwargs),) = calls
    event = kwargs["event"]
    assert (event.hops, event.correlationid, event.causationid, event.traceparent) == (0, None, None, None)


def test_receiver_is_called_as_a_local_one_is():
    handle, calls = handling(post_save)
    result = handle(body(Article, SAVE, instance=Article(pk=1, title="a"), created=True, update_fields=None), "a.key")
    ((args, kwargs),) = calls
    assert args == ()
    assert kwargs.keys() == {"sender", "signal", "instance", "created", "update_fields", "event"}
    assert (kwargs["sender"], kwargs["signal"], kwargs["created"]) == (Article, post_save, True)
    assert (kwargs["instance"].pk, kwargs["instance"].title) == (1, "a")
    assert kwargs["event"].routing_key == "a.key"
    assert isinstance(result, Handled)
    assert result.event == kwargs["event"]


def test_receiver_of_a_deletion_gets_of_each_field_what_was_sent():
    # The database is closed to this test, and the row would be gone.
    handle, calls = handling(post_delete)
    data = {"colour": "red", "api_token": "planted-secret"}
    handle(body(Article, "django.db.models.signals.post_delete", instance=Article(pk=1, data=data)), "a.key")
    ((_, kwargs),) = calls
    assert kwargs["instance"].data == {"colour": "red"}


@pytest.mark.parametrize(
    ("sender", "arrives"),
    [
        (None, None),
        (Article, Article),
        ("Axes", "Axes"),
        ("foo.article", "foo.article"),
        ("Who knows?", "Who knows?"),
        ("", ""),
        (len, "builtins.builtin_function_or_method"),
    ],
)
def test_sender_is_the_class_the_text_or_its_label(sender, arrives):
    handle, calls = handling(user_login)
    assert isinstance(handle(body(sender), ""), Handled)
    assert calls[0][1]["sender"] == arrives


@pytest.mark.parametrize(("sender", "is_called"), [("axes", True), ("Axes", True), ("other", False)])
def test_handler_is_called_for_a_sender_that_is_text(sender, is_called):
    handle, calls = handling(user_login, sender=sender)
    handle(body("Axes"), "")
    assert bool(calls) is is_called


def test_sender_is_the_instance_when_it_was_self():
    handle, calls = handling(article_published)
    handle(body(Article(pk=3, title="a"), "tests.foo.signals.article_published"), "")
    assert (calls[0][1]["sender"].pk, calls[0][1]["sender"].title) == (3, "a")


def test_subscriber_gets_the_event_and_nothing_else():
    handle, calls = handling(patterns=("#",))
    result = handle(foreign(type="other.system.happened", data={"a": 1}), "x.y")
    (((event,), kwargs),) = calls
    assert isinstance(event, Event)
    assert (kwargs, event.type, event.data, event.routing_key) == ({}, "other.system.happened", {"a": 1}, "x.y")
    assert result == Handled(event=event, began=result.began)


@pytest.mark.parametrize(
    ("signals", "sender", "message"),
    [
        ((post_delete,), None, body(Article, SAVE, instance=Article(pk=1))),
        ((post_save,), "foo.Article", body(Draft, SAVE, instance=Draft(pk=1))),
        ((post_save,), Article, body(Draft, SAVE, instance=Draft(pk=1))),
        ((user_login,), "foo.Article", body(None)),
    ],
    ids=range(4),
)
def test_event_of_a_key_that_is_shared_is_passed_over_when_it_is_not_for_this_handler(signals, sender, message):
    handle, calls = handling(*signals, sender=sender)
    (pattern,) = keys_of(Handler(name="h", function=calls, triggers=triggers_of(signals, (sender,))))
    result = handle(message, pattern.replace("#", "shared"))
    assert isinstance(result, Handled)
    assert result.event is None
    assert calls == []


def test_event_is_a_dead_letter_when_it_came_before_the_handlers_sender_was_renamed():
    handle, calls = handling(post_save, sender="foo.Draft", retry=Backoff())
    result = handle(body(Article, SAVE, instance=Article(pk=1)), "db.post_save.foo.article")
    assert (result.reason, calls) == ("not bound", [])
    assert "is bound to db.post_save.foo.draft, not to db.post_save.foo.article" in result.headers["x-text"]


@pytest.mark.parametrize("name", ["args", "kwargs", "self", "name", "body", "handler", "function", "event", "data"])
def test_handler_is_called_when_a_kwarg_has_this_name(name):
    handle, calls = handling(user_login)
    assert isinstance(handle(foreign(data={"sender": None, "kwargs": {name: "value"}, "types": {}}), ""), Handled)
    assert calls[0][1][name] == "value"


@pytest.mark.parametrize("name", ["sender", "signal"])
def test_foreign_kwargs_do_not_replace_sender_and_signal(name):
    handle, calls = handling(user_login)
    handle(foreign(data={"sender": None, "kwargs": {name: "planted"}}), "")
    assert calls[0][1][name] in (None, user_login)


def raising(exc):
    def handle(**kwargs):
        raise exc

    return handle


@pytest.mark.parametrize(
    ("exc", "reason", "name"),
    [
        (ValueError("no"), "failed", "builtins.ValueError"),
        (KeyError("k"), "failed", "builtins.KeyError"),
        (Reject("never"), "rejected", "consumers.exceptions.Reject"),
        (Retry("later"), "failed", "consumers.exceptions.Retry"),
        (RecursionError(), "failed", "builtins.RecursionError"),
        (MemoryError(), "failed", "builtins.MemoryError"),
    ],
    ids=repr,
)
def test_dead_letter_says_why_when_the_handler_raises(exc, reason, name):
    handle, _ = handling(user_login, function=raising(exc))
    result = handle(body(None), "")
    assert isinstance(result, Dead)
    assert result.reason == result.headers["x-reason"] == reason
    assert result.headers["x-exception"] == name
    assert result.headers["x-handler"] == "handle"
    assert result.headers["x-where"].startswith("handling/test_handling.py:")
    assert result.headers["x-attempts"] == 1
    assert result.headers["x-first-failed-at"] <= result.headers["x-last-failed-at"]
    assert result.headers["x-text"] == str(exc)


def test_place_that_is_told_is_the_handlers_own_when_a_library_raised():
    handle, _ = handling(user_login, function=lambda **kwargs: json.loads("{"), retry=Backoff(delays=(5.0,)))
    result = handle(body(None), "")
    assert result.where.startswith("handling/test_handling.py:")


def asks_for_changes(sender, instance, changes, **kwargs): ...


async def asks_for_changes_async(sender, instance, changes, **kwargs): ...


@wraps(asks_for_changes)
def wrapped(**kwargs):
    asks_for_changes(**kwargs)


@pytest.mark.parametrize("function", [asks_for_changes, asks_for_changes_async])
@pytest.mark.parametrize("delays", [(), (5.0,)], ids=["dead", "failed"])
def test_place_that_is_told_is_the_handler_when_it_cannot_be_called_so(function, delays):
    handle, _ = handling(user_login, function=function, retry=Backoff(delays=delays))
    result = handle(body(None), "")
    place = result.where if delays else result.headers["x-where"]
    assert place == f"handling/test_handling.py:{function.__code__.co_firstlineno}"


def test_place_that_is_told_is_the_handler_when_a_batch_cannot_be_called_so():
    def no_batch(): ...

    handler = Handler(name="handle", function=no_batch, patterns=("#",), batch=2, retry=Backoff(delays=()))
    handle = Handling(handler, "blog.handle", stop=Flag(), has_database=False)
    results = handle.together([Received(body=foreign(id=id), routing_key="a") for id in ("1", "2")])
    place = f"handling/test_handling.py:{no_batch.__code__.co_firstlineno}"
    assert [result.where for result in results] == [place, place]


def test_place_that_is_told_is_the_handler_when_it_cannot_be_asked_so(caplog):
    handler = Handler(name="h", function=asks_for_changes, triggers=triggers_of((user_login,)), ask=True)
    Asked(handler, "blog.h", stop=Flag(), has_database=False)(Received(body=body(None), routing_key=""))
    assert f"TypeError (handling/test_handling.py:{asks_for_changes.__code__.co_firstlineno})" in caplog.text


def test_place_that_is_told_is_the_line_that_calls_when_the_handlers_own_decorator_cannot():
    handle, _ = handling(user_login, function=wrapped)
    assert (
        handle(body(None), "").headers["x-where"] == f"handling/test_handling.py:{wrapped.__code__.co_firstlineno + 2}"
    )


def test_event_waits_for_another_attempt_when_the_policy_has_one():
    handle, _ = handling(user_login, function=raising(ValueError("no")), retry=Backoff(delays=(5.0,), jitter=0.0))
    result = handle(body(None), "")
    assert isinstance(result, Failed)
    assert result.after == 5.0


def test_dead_letters_text_is_cut_when_it_is_long():
    handle, _ = handling(user_login, function=raising(ValueError("x" * 10_000)))
    assert len(handle(body(None), "").headers["x-text"]) == 500


def test_dead_letters_text_is_without_what_it_calls_a_secret():
    text = f"{'x' * 480}, password='{'sown' * 10}'"
    handle, _ = handling(user_login, function=raising(ValueError(text)))
    assert handle(body(None), "").headers["x-text"] == f"{'x' * 480}, password=***"


@pytest.mark.parametrize("exc", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_dead_letter_is_made_when_the_handler_wants_to_end_the_process(exc):
    """In a pool's thread it would end the thread alone, and the delivery would wait for ever."""
    handle, _ = handling(user_login, function=raising(exc))
    assert isinstance(handle(body(None), ""), Dead)


def test_dead_letters_text_is_unicode_when_the_exceptions_is_not():
    handle, _ = handling(user_login, function=raising(ValueError("\udcff")))
    assert handle(body(None), "").headers["x-text"] == "\\udcff"


def test_dead_letter_can_be_sent_when_the_name_of_the_handlers_folder_is_no_unicode():
    """The worker would end over it, and the next one, too."""
    names = {}
    exec(compile("def function(**kwargs): raise ValueError", "/srv/caf\udce9/consumers.py", "exec"), names)
    handle, _ = handling(user_login, function=names["function"])
    headers = handle(body(None), "").headers
    assert made(headers)
    assert headers["x-where"] == "caf\\udce9/consumers.py:1"


def test_dead_letters_exception_is_cut_when_its_name_is_long():
    handle, _ = handling(user_login, function=raising(type("E" * 10_000, (ValueError,), {})()))
    assert len(handle(body(None), "").headers["x-exception"]) == 500


class Mute(Exception):
    def __str__(self):
        raise RuntimeError


def test_dead_letter_is_made_when_the_exception_cannot_be_shown():
    handle, _ = handling(user_login, function=raising(Mute()))
    assert isinstance(handle(body(None), ""), Dead)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "malformed"),
        (b"\xff not json", "malformed"),
        (b"{}", "malformed"),
        (b"[" * 50_000, "malformed"),
        (foreign(specversion="0.3"), "malformed"),
        (foreign(type="no.such.signal"), "unknown type"),
        (foreign(type="django.db.models.signals.post_sav"), "unknown type"),
        (foreign(data={"kwargs": {"a": "x"}, "types": {"kwargs.a": "decimal"}}), "malformed"),
        (foreign(data={"kwargs": {"a": "x"}, "types": ["decimal"]}), "malformed"),
        (foreign(data={"kwargs": {"a": {"model": 5, "pk": 1, "fields": {}}}}), "malformed"),
        (foreign(data={"kwargs": {}, "sender_instance": {"model": [], "pk": 1, "fields": {}}}), "malformed"),
    ],
    ids=range(11),
)
def test_dead_letter_says_why_when_the_message_is_bad(message, reason):
    handle, calls = handling(user_login)
    result = handle(message, "")
    assert isinstance(result, Dead)
    assert result.reason == reason
    assert calls == []


@pytest.mark.parametrize("sender", [5, [], {"a": 1}, True], ids=repr)
@pytest.mark.parametrize("handled", [None, "foo.Article"])
def test_event_is_malformed_when_its_sender_is_no_text(sender, handled):
    handle, calls = handling(user_login, sender=handled, retry=Backoff())
    result = handle(foreign(data={"sender": sender, "kwargs": {}}), "")
    assert isinstance(result, Dead)
    assert (result.reason, calls) == ("malformed", [])


def test_handler_that_takes_no_such_kwargs_is_a_dead_letter():
    def handle(sender, instance):
        pass

    one, _ = handling(user_login, function=handle)
    result = one(body(None, user=Tag(pk=1)), "")
    assert (result.reason, result.headers["x-exception"]) == ("failed", "builtins.TypeError")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("late_inbox", [False, True])
def test_event_is_handled_once_wherever_the_inbox_is_written(late_inbox):
    def function(event):
        calls.append(event.id)
        Draft.objects.create(text=event.id)
        if len(calls) == 1:
            raise ValueError("the first time")

    calls = []
    handler = Handler(name="handle", function=function, patterns=("#",), late_inbox=late_inbox)
    handle = Handling(handler, "blog.handle", stop=Flag())
    received = Received(body=foreign(), routing_key="x")
    results = [handle(received) for _ in range(4)]
    assert [type(result) for result in results] == [Failed, Handled, Handled, Handled]
    assert [result.event is not None for result in results[1:]] == [True, False, False]
    assert Draft.objects.filter(text="1").count() == 1
    assert calls == ["1", "1"]


@pytest.mark.django_db
def test_events_of_different_sources_are_different_though_their_ids_are_the_same():
    calls = []
    handler = Handler(name="handle", function=lambda event: calls.append((event.source, event.id)), patterns=("#",))
    handle = Handling(handler, "blog.handle", stop=Flag())
    sent = [("/x", "1"), ("/y", "1"), ("/x", "a"), ("/x", "A"), ("/x", "n" * 300), ("/x", "n" * 301)]
    for source, id in [*sent, *sent]:
        assert isinstance(handle(Received(body=foreign(source=source, id=id), routing_key="x")), Handled)
    assert calls == sent


@pytest.mark.django_db
def test_event_whose_id_is_a_uuid_is_known_by_it_wherever_it_says_it_is_from():
    handler = Handler(name="handle", function=Calls(), patterns=("#",))
    handle = Handling(handler, "blog.handle", stop=Flag())
    for source in ("/blog", "/renamed"):
        handle(Received(body=foreign(source=source, id="01a219fb-6e65-7350-994e-a6f5a0a64046"), routing_key="x"))
    assert len(handler.function) == 1
    assert InboxEvent.objects.get().event_id == "01a219fb-6e65-7350-994e-a6f5a0a64046"


@pytest.mark.django_db(transaction=True)
def test_handler_called_twice_at_once_has_one_effect_though_the_inbox_is_written_last():
    def function(event):
        Draft.objects.create(text=event.id)
        if not InboxEvent.objects.exists():
            inbox("default").admit("blog.handle", event)  # the other one was quicker

    handler = Handler(name="handle", function=function, patterns=("#",), late_inbox=True)
    result = Handling(handler, "blog.handle", stop=Flag())(Received(body=foreign(), routing_key="x"))
    assert isinstance(result, Handled)
    assert result.event is None
    assert not Draft.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("failures", [{"17": ValueError()}, {}], ids=["strange", "empty"])
def test_batch_is_tried_again_when_the_report_of_what_failed_is_of_none_of_its_events(failures):
    def function(events):
        raise BatchFailed(failures)

    handler = Handler(name="handle", function=function, patterns=("#",), batch=5)
    batch = [Received(body=foreign(id=id), routing_key="x") for id in "ab"]
    results = Handling(handler, "blog.handle", stop=Flag()).together(batch)
    assert [type(result) for result in results] == [Failed, Failed]
    assert not InboxEvent.objects.exists()


def batch_of(function, *bodies, **more):
    """What becomes of a batch."""
    handler = Handler(**{"name": "handle", "function": function, "patterns": ("#",), "batch": 5, **more})
    batch = [Received(body=each, routing_key="x") for each in bodies]
    return Handling(handler, "blog.handle", stop=Flag()).together(batch)


def read(events):
    for event in events:
        Draft.objects.create(text=str(event.kwargs))


def refuse(events):
    raise Reject("never")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("function", "more"),
    [
        (read, {}),
        (refuse, {}),
        (read, {"retry": Backoff(delays=())}),
        (read, {"retry": Backoff(permanent=(Exception,))}),
    ],
)
def test_event_of_a_batch_that_failed_as_a_whole_is_tried_by_itself_before_it_is_given_up(function, more):
    good = [foreign(id=id, data={"kwargs": {}}) for id in "ab"]
    bad = foreign(id="c", data={"kwargs": {"price": "x"}, "types": {"kwargs.price": "decimal"}})
    results = batch_of(function, *good, bad, **more)
    assert [(type(result), result.after) for result in results] == [(Failed, 1.0)] * 3
    assert not Draft.objects.exists()
    assert not InboxEvent.objects.exists()
    (result,) = batch_of(function, bad, **more)
    assert isinstance(result, Dead)


@pytest.mark.django_db(transaction=True)
def test_batch_is_tried_one_by_one_when_its_report_undid_what_was_done_for_others():
    @transaction.atomic
    def function(events):
        for event in events:
            Draft.objects.create(text=event.id)
        if failures := {event.id: ValueError() for event in events if event.id == "bad"}:
            raise BatchFailed(failures)

    results = batch_of(function, foreign(id="good"), foreign(id="bad"))
    undone = (Failed, "consumers.exceptions.BatchUndone")
    assert [(type(result), result.exception) for result in results] == [undone, undone]
    assert not InboxEvent.objects.exists()
    assert [type(batch_of(function, foreign(id=id))[0]) for id in ("good", "bad")] == [Handled, Failed]
    assert Draft.objects.get().text == "good"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("inbox", [True, False])
def test_report_after_a_block_leaves_what_was_done_in_it(inbox):
    def function(events):
        with transaction.atomic():
            for event in events:
                Draft.objects.create(text=event.id)
        raise BatchFailed({"bad": ValueError()})

    results = batch_of(function, foreign(id="good"), foreign(id="bad"), inbox=inbox)
    assert list(map(type, results)) == [Handled, Failed]
    assert Draft.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("inbox", [True, False])
def test_events_of_one_id_from_two_sources_are_told_apart_in_a_batch(inbox):
    batches = []

    def function(events):
        batches.append([event.source for event in events])
        for event in events:
            Draft.objects.create(text=event.source)
        if failures := {event.id: ValueError() for event in events if event.source == "/x"}:
            raise BatchFailed(failures)

    bodies = [foreign(id=id, source=source) for id, source in (("1", "/x"), ("1", "/y"), ("2", "/z"))]
    assert list(map(type, batch_of(function, *bodies, inbox=inbox))) == [Failed, Handled, Handled]
    assert batches == [["/x", "/z"], ["/y"]]
    assert InboxEvent.objects.count() == 2 * inbox


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("batch", [0, 5])
@pytest.mark.parametrize("is_suspect", [False, True])
def test_copy_of_an_event_waits_in_no_thread_while_another_one_is_at_it(batch, is_suspect):
    copies = []

    def function(event):
        copies.append(handle.together([copy]) if batch else [handle(copy)])

    handler = Handler(name="handle", function=function, patterns=("#",), batch=batch)
    handle = Handling(handler, "blog.handle", stop=Flag())
    copy = Received(body=foreign(), routing_key="k", is_suspect=is_suspect and not batch)
    first = replace(copy, is_suspect=False)
    (result,) = handle.together([first]) if batch else [handle(first)]
    assert (result.event.id, copies) == ("1", [[AtAnother()]])
    assert isinstance(handle(copy), Handled)
    assert len(copies) == 1


@pytest.mark.parametrize(
    ("result", "is_one"),
    [
        (Handled(event=None, began=None), False),
        (Failed(received=None, after=1, exception="x"), True),
        *((Dead(reason=reason, headers={}), True) for reason in ("failed", "permanent", "crashed", "on_commit")),
        *((Dead(reason=reason, headers={}), False) for reason in ("malformed", "unknown type", "rejected")),
    ],
    ids=str,
)
def test_handler_has_failed_when_it_was_not_the_events_own_fault(result, is_one):
    assert is_a_failure(result) is is_one


@pytest.mark.django_db
@pytest.mark.parametrize("batch", [0, 5])
def test_event_that_was_handled_before_is_told_of(batch, caplog):
    caplog.set_level("INFO", "consumers.worker")
    handler = Handler(name="handle", function=lambda event: None, patterns=("#",), batch=batch)
    handle = Handling(handler, "blog.handle", stop=Flag())
    deliver = handle.together if batch else lambda received: [handle(*received)]
    for told in ([], ["handled before event=e1 request=r-1 handler=handle"]):
        deliver([Received(body=foreign(id="e1", correlationid="r-1"), routing_key="k")])
        assert caplog.messages == told
