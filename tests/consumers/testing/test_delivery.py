"""Events made in a test and delivered by the real path, without a broker."""

import asyncio
from unittest.mock import patch

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import OperationalError
from django.db.models.signals import post_delete, post_save
from django.test import TestCase, override_settings

from consumers import Backoff, BatchFailed, Event, Reject, Retry, receiver, registry, subscribe
from consumers.exceptions import UnknownHandler
from consumers.models import Attempt, InboxEvent
from consumers.testing import NotBound, deliver, deliver_all, deliver_batch, event_from
from publisher.testing import forwarded_events
from tests.bar.consumers import greet, index
from tests.bar.models import Seen
from tests.foo.models import Article, Draft
from tests.foo.signals import article_flagged, user_login

SAVED = {"created": True, "update_fields": None, "raw": False, "using": "default"}


@pytest.fixture
def own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_handlers", dict(registry._handlers))


def seen():
    return list(Seen.objects.values_list("handler", "text"))


class UnderTestCase(TestCase):
    def test_saved_instance_is_handled_once_with_its_inbox(self):
        with forwarded_events() as events:
            Article.objects.create(title="one")
        assert deliver(index, events[0]).became == "handled"
        assert deliver("index", events[0], redelivered=True).became == "skipped"
        assert deliver("index", events[0]).became == "skipped"
        assert [text for _, text in seen()] == [f"Article {events[0].kwargs['instance'].pk} one True"]
        assert InboxEvent.objects.get().event_id == events[0].id
        assert Attempt.objects.count() == 0

    async def test_event_is_handled_in_async_code_too(self):
        async with forwarded_events() as events:
            await Article.objects.acreate(title="one")
        assert (await sync_to_async(deliver)(index, events[0])).became == "handled"
        assert await Seen.objects.acount() == 1

    @patch.object(registry, "_handlers", {})
    async def test_async_handler_is_called_in_async_code_too(self):
        @subscribe("db.#")
        async def note(event):
            await Seen.objects.acreate(handler="note", text=event.id, pid=1)

        event = event_from(post_save, Article, instance=Article(pk=1), **SAVED)
        assert (await sync_to_async(deliver)(note, event)).became == "handled"
        assert await Seen.objects.acount() == 1


@pytest.mark.django_db
def test_event_is_built_as_the_publisher_builds_it(rf):
    request, user = rf.get("/in/"), User(pk=5, username="ada")
    event = event_from(user_login, request=request, user=user)
    assert (event.type, event.routing_key) == ("tests.foo.signals.user_login", "foo.user_login")
    assert (event.subject, event.kwargs["user"].username) == ("auth.user/5", "ada")
    assert deliver(greet, event).became == "handled"
    assert seen() == [("greet", "ada 5 /in/ True")]


def test_event_has_the_key_of_this_projects_rule(settings):
    rule = {"signal": "tests.foo.signals.*", "routing_key": "moderation.{kwargs[reason]}"}
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "FORWARD": [rule]}
    assert event_from(article_flagged, reason="rude").routing_key == "moderation.rude"


def is_rude(sender, reason, **kwargs):
    return reason == "rude"


def test_event_has_the_key_of_the_first_rule_that_wants_it(settings):
    signal = "tests.foo.signals.article_flagged"
    rude = {"signal": signal, "routing_key": "rude", "when": f"{__name__}.is_rude"}
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "FORWARD": [rude, {"signal": signal, "routing_key": "others"}]}
    assert [event_from(article_flagged, reason=reason).routing_key for reason in ("rude", "dull")] == ["rude", "others"]


@pytest.mark.django_db
def test_exception_of_the_handler_is_raised_and_its_writes_are_not_there(own_registry):
    @receiver(post_save, sender=Article, retry=Backoff(delays=(7.0,), jitter=0))
    def careless(sender, instance, **kwargs):
        Seen.objects.create(handler="careless", text="half", pid=0)
        raise ValueError("cannot")

    event = event_from(post_save, Article, instance=Article(pk=1), **SAVED)
    with pytest.raises(ValueError, match="cannot"):
        deliver(careless, event)
    first = deliver(careless, event, raise_exceptions=False)
    assert (first.became, first.after, str(first.exception)) == ("retried", 7.0, "cannot")
    last = deliver(careless, event, attempt=2, raise_exceptions=False)
    assert (last.became, last.reason, last.after) == ("dead", "failed", None)
    assert seen() == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("exc", "became", "after", "reason"),
    [(Retry("later", after=30), "retried", 30, ""), (Reject("never"), "dead", None, "rejected")],
    ids=["retry", "reject"],
)
def test_answer_of_the_handler_is_told_and_not_raised(own_registry, exc, became, after, reason):
    @receiver(article_flagged)
    def answers(**kwargs):
        raise exc

    delivered = deliver(answers, event_from(article_flagged))
    assert (delivered.became, delivered.after, delivered.reason) == (became, after, reason)
    assert delivered.exception is exc


@pytest.mark.django_db
def test_trouble_with_the_database_is_raised_and_leaves_the_tests_transaction_open(own_registry):
    @receiver(article_flagged)
    def troubled(**kwargs):
        raise OperationalError("gone")

    Seen.objects.create(handler="before", text="", pid=0)
    with pytest.raises(OperationalError):
        deliver(troubled, event_from(article_flagged))
    assert seen() == [("before", "")]


@pytest.mark.parametrize(
    "event",
    [
        event_from(post_save, Draft, instance=Draft(pk=1), **SAVED),
        event_from(user_login),
    ],
    ids=["another sender", "another signal"],
)
def test_event_that_would_not_come_to_the_handler_is_refused(event):
    with pytest.raises(NotBound, match=r"index is bound to db\.post_save\.foo\.article, not to "):
        deliver(index, event)


@pytest.mark.parametrize("handler", [print, "nothing"])
def test_what_is_no_handler_is_refused(handler):
    with pytest.raises(UnknownHandler):
        deliver(handler, event_from(user_login))


@pytest.mark.django_db
def test_batch_handler_gets_a_list_and_its_failures_are_told_one_by_one(own_registry):
    @subscribe("foo.#", batch=10)
    def together(events: list[Event]):
        for event in events:
            Seen.objects.create(handler="together", text=event.kwargs["n"], pid=len(events))
        raise BatchFailed({events[1].id: KeyError("bad")})

    events = [event_from(article_flagged, n=n) for n in range(3)]
    delivered = deliver_batch(together, events, raise_exceptions=False)
    assert [one.became for one in delivered] == ["handled", "retried", "handled"]
    assert isinstance(delivered[1].exception, KeyError)
    assert list(Seen.objects.values_list("text", "pid")) == [("0", 3), ("1", 3), ("2", 3)]
    deliver_batch(together, [events[0]])
    assert Seen.objects.count() == 3


@pytest.mark.django_db
def test_exception_of_a_batch_is_raised(own_registry):
    @subscribe("foo.#", batch=10)
    def together(events):
        raise ValueError("cannot")

    events = [event_from(article_flagged, n=n) for n in range(2)]
    with pytest.raises(ValueError, match="cannot"):
        deliver_batch(together, events)
    delivered = deliver_batch(together, events, raise_exceptions=False)
    assert [(one.became, str(one.exception)) for one in delivered] == [("retried", "cannot")] * 2


@pytest.mark.django_db(transaction=True)
def test_exception_of_an_ordered_handler_is_raised_when_the_event_was_redelivered(own_registry):
    @subscribe("foo.#", ordered=True)
    def careless(event):
        raise ValueError("cannot")

    with pytest.raises(ValueError, match="cannot"):
        deliver(careless, event_from(article_flagged, n=1), redelivered=True)


def test_handler_without_an_inbox_needs_no_database(own_registry):
    got = []

    @subscribe("#", inbox=False)
    def free(event):
        got.append((event.kwargs["n"], event.routing_key))

    assert deliver(free, event_from(article_flagged, n=1)).became == "handled"
    assert got == [(1, "foo.article_flagged")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("more", [{"redelivered": True}, {"attempt": 2}], ids=str)
def test_batch_handler_gets_what_came_again_one_by_one(own_registry, more):
    sizes = []

    @subscribe("#", batch=10)
    def counted(events):
        sizes.append(len(events))

    delivered = deliver_batch(counted, [event_from(user_login, n=n) for n in range(3)], **more)
    assert [one.became for one in delivered] == ["handled"] * 3
    assert sizes == [1, 1, 1]


@pytest.mark.django_db
def test_batch_handler_gets_no_more_than_its_batch_when_there_are_more_events(own_registry):
    sizes = []

    @subscribe("#", batch=2)
    def counted(events):
        sizes.append(len(events))

    delivered = deliver_batch(counted, [event_from(user_login, n=n) for n in range(5)])
    assert [one.became for one in delivered] == ["handled"] * 5
    assert sizes == [2, 2, 1]


@pytest.mark.django_db
def test_event_of_a_batch_is_skipped_when_it_was_handled_before(own_registry, caplog):
    @subscribe("#", batch=10)
    def counted(events): ...

    caplog.set_level("INFO", "consumers.worker")
    first, second = (event_from(user_login, n=n) for n in range(2))
    assert [deliver(counted, first).became for _ in range(2)] == ["handled", "skipped"]
    assert [one.became for one in deliver_batch(counted, [first, second])] == ["skipped", "handled"]
    assert [message.split()[:3] for message in caplog.messages] == [["handled", "before", f"event={first.id}"]] * 2


@pytest.mark.django_db
@pytest.mark.parametrize("is_there", [True, False])
def test_question_has_no_answer_when_the_row_that_it_is_about_is_gone(own_registry, is_there):
    @receiver(article_flagged, ask=True, instance="fresh")
    def may_be_flagged(sender, instance, **kwargs):
        return instance.title == "now"

    article = Article.objects.create(title="now") if is_there else Article(pk=12345)
    event = event_from(article_flagged, None, instance=Article(pk=article.pk, title="then"))
    delivered = deliver(may_be_flagged, event, raise_exceptions=False)
    if is_there:
        assert (delivered.became, delivered.answer) == ("answered", True)
    else:
        assert (delivered.became, delivered.reason) == ("failed", "consumers.exceptions.InstanceGone")


def test_question_is_answered_without_inbox_or_retry(own_registry):
    # The database is closed to this test.
    @receiver(user_login, ask=True)
    def may_enter(user, **kwargs):
        return {"may": {user}}

    delivered = deliver(may_enter, event_from(user_login, user=5))
    assert (delivered.became, delivered.answer) == ("answered", {"may": {5}})
    assert deliver(may_enter, event_from(user_login, user=5)).became == "answered"


def test_question_has_failed_when_the_handler_raises(own_registry):
    @receiver(user_login, ask=True)
    def may_enter(**kwargs):
        raise KeyError("who?")

    event = event_from(user_login)
    with pytest.raises(KeyError, match="who"):
        deliver(may_enter, event)
    delivered = deliver(may_enter, event, raise_exceptions=False)
    assert (delivered.became, delivered.reason, type(delivered.exception)) == ("failed", "builtins.KeyError", KeyError)


def test_question_has_failed_when_the_answer_has_no_encoder(own_registry):
    receiver(user_login, ask=True, name="odd")(lambda **kwargs: object())
    assert deliver("odd", event_from(user_login), raise_exceptions=False).became == "failed"


def note(sender, instance, **kwargs):
    Seen.objects.create(handler="note", text=instance.title, pid=0)


@pytest.fixture
def noted():
    post_save.connect(note, sender=Article)
    yield
    post_save.disconnect(note, sender=Article)


@pytest.mark.django_db
def test_offloaded_receiver_is_found_by_its_function(settings, noted):
    offload = {"OFFLOAD": [f"{note.__module__}.note"], "FORWARD": []}
    with override_settings(SIGNAL_BRIDGE={**settings.SIGNAL_BRIDGE, **offload}):
        with forwarded_events() as events:
            Article.objects.create(title="one")
        assert seen() == []
        assert deliver(note, events[0]).became == "handled"
        made_up = event_from(post_save, Article, instance=Article(pk=2, title="two"), created=True)
        assert deliver(note, made_up).became == "handled"
    assert seen() == [("note", "one"), ("note", "two")]


def mourn(sender, instance, **kwargs):
    Seen.objects.create(handler="mourn", text=instance.data, pid=0)


@pytest.fixture
def mourned():
    post_delete.connect(mourn, sender=Article)
    yield
    post_delete.disconnect(mourn, sender=Article)


@pytest.mark.django_db
def test_offloaded_receiver_of_a_deletion_gets_of_each_field_what_was_sent(settings, mourned):
    article = Article.objects.create(title="one", data={"colour": "red", "api_token": "planted-secret"})
    offload = {"OFFLOAD": [f"{mourn.__module__}.mourn"], "FORWARD": []}
    with override_settings(SIGNAL_BRIDGE={**settings.SIGNAL_BRIDGE, **offload}):
        with forwarded_events() as events:
            article.delete()
        assert deliver(mourn, events[0]).became == "handled"
    assert seen() == [("mourn", "{'colour': 'red'}")]


@pytest.mark.django_db
def test_events_come_to_every_handler_that_would_get_them(own_registry, settings):
    registry._handlers.clear()

    @subscribe("db.*.foo.article")
    def first(event):
        Draft.objects.create(text=event.id)

    @receiver(post_save, sender="foo.Draft")
    def of_drafts(sender, instance, **kwargs):
        Seen.objects.create(handler="of_drafts", text=instance.text, pid=0)

    @receiver(post_save, sender="foo.Article")
    def second(sender, **kwargs):
        raise Reject("no")

    @receiver(article_flagged, ask=True)
    def asked(sender, **kwargs):
        raise AssertionError

    settings.SIGNAL_BRIDGE = {
        **settings.SIGNAL_BRIDGE,
        "HANDLERS": [],
        "FORWARD": ["django.db.models.signals.post_save"],
    }
    with patch("consumers.discovery.handler_modules", return_value=()):
        with forwarded_events() as events:
            Article.objects.create(title="one")
        with forwarded_events() as more:
            done = deliver_all(events)
        assert [(name, each.became) for name, each in done] == [("first", "handled"), ("second", "dead")]
        assert [(name, each.became) for name, each in deliver_all([*events, *more])] == [
            ("first", "skipped"), ("second", "dead"), ("of_drafts", "handled")
        ]  # fmt: skip
    assert seen() == [("of_drafts", events[0].id)]


def write_down(sender, instance, **kwargs):
    Seen.objects.create(handler="write_down", text=instance.title, pid=0)


@pytest.mark.django_db
def test_event_of_an_offloaded_receiver_is_for_nobody_else_whatever_its_pattern(monkeypatch, settings):
    monkeypatch.setattr(registry, "_handlers", {})

    @subscribe("#")
    def audit(event): ...

    post_save.connect(write_down, sender=Article)
    try:
        with patch("consumers.discovery.handler_modules", return_value=()):
            settings.SIGNAL_BRIDGE = {"FORWARD": [], "OFFLOAD": [f"{__name__}.write_down"]}
            with forwarded_events() as events:
                Article.objects.create(title="one")
            (event,) = events
            assert [each.became for _, each in deliver_all(events)] == ["handled"]
            assert seen() == [("write_down", "one")]
            with pytest.raises(NotBound):
                deliver(audit, event)
            assert deliver(write_down, event).became == "skipped"
    finally:
        post_save.disconnect(write_down, sender=Article)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("answer", "became", "reason"), [(Reject("no"), "dead", "rejected"), (Retry("later", after=7), "retried", "")]
)
def test_answer_of_a_task_in_a_group_is_the_handlers(own_registry, answer, became, reason):
    async def ask():
        raise answer

    @subscribe("#")
    async def both(event):
        async with asyncio.TaskGroup() as group:
            group.create_task(ask())
            group.create_task(asyncio.sleep(60))

    delivered = deliver(both, Event(specversion="1.0", id="e1", source="/x", type="t"))
    assert (delivered.became, delivered.reason, delivered.exception) == (became, reason, answer)
    assert delivered.after == (7 if became == "retried" else None)
