"""What a handler sends is linked to what it was called for, and a circle of handlers comes to an end."""

import asyncio
from threading import Event as Flag

import pytest
from django.db import transaction
from msgspec.structs import replace

from consumers.exceptions import TooManyHops
from consumers.handler import Handler, triggers_of
from consumers.handling.received import Received
from consumers.testing import deliver, deliver_batch, event_from
from consumers.worker.asked import Asked
from publisher.testing import forwarded_events
from publisher.wire.event import encode_event
from tests.foo.models import Article
from tests.foo.signals import user_login
from tests.stage import eventually

# Processes import handlers by the names of their modules: ECHOING sends in a circle.
ECHOING = "tests.bar.echoing"
SAVED = "db.post_save.foo.article"


def handler(function, **more):
    return Handler(**{"name": "echo", "function": function, "patterns": (SAVED,), **more})


def save(event=None):
    Article.objects.create(title="echo")


async def save_later(event):
    await asyncio.sleep(0)
    await Article.objects.acreate(title="echo")


def save_at_commit(event):
    transaction.on_commit(save)


def saved(**changes):
    article = Article(pk=1, title="first")
    return replace(event_from(user_login, article=article), routing_key=SAVED, **changes)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("function", [save, save_later, save_at_commit])
def test_event_of_a_handler_is_caused_by_the_event_it_handles(function):
    first = saved(hops=2)
    with forwarded_events() as events:
        deliver(handler(function), first)
    assert [(event.causationid, event.hops) for event in events] == [(first.id, 3)]


@pytest.mark.django_db
def test_event_is_caused_by_nothing_outside_of_handlers_also_after_one_that_failed():
    def fail(event):
        raise ValueError

    deliver(handler(fail), saved(), raise_exceptions=False)
    with forwarded_events() as events:
        save()
    assert [(event.causationid, event.hops) for event in events] == [(None, 0)]


@pytest.mark.django_db
def test_event_of_a_batch_has_the_most_hops_of_those_that_caused_it():
    batch = [saved(), saved(hops=5), saved(hops=3)]
    with forwarded_events() as events:
        deliver_batch(handler(save, batch=10), batch)
    assert [(event.causationid, event.hops) for event in events] == [(batch[1].id, 6)]


@pytest.mark.django_db
def test_event_of_a_handler_that_was_asked_is_caused_by_the_question():
    first = saved()
    ask = Handler(name="ask", function=lambda **kwargs: save(), triggers=triggers_of((user_login,)), ask=True)
    with forwarded_events() as events:
        Asked(ask, "tests.ask", stop=Flag())(Received(body=encode_event(first), routing_key=SAVED))
    assert [(event.causationid, event.hops) for event in events] == [(first.id, 1)]


@pytest.mark.django_db
@pytest.mark.parametrize("batch", [0, 10])
def test_event_is_a_dead_letter_when_it_has_more_hops_than_allowed(settings, batch):
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "MAX_HOPS": 4}
    called = []
    last, over = saved(hops=4, causationid="a"), saved(hops=5, causationid="b")
    assert deliver(handler(called.append, batch=batch), last).became == "handled"
    delivered = deliver(handler(called.append, batch=batch), over, raise_exceptions=False)
    assert (delivered.became, delivered.reason) == ("dead", "too many hops")
    assert isinstance(delivered.exception, TooManyHops)
    for word in ("5 hops", "event b", "MAX_HOPS is 4", "ignore_own=True", "replay"):
        assert word in str(delivered.exception)
    assert len(called) == 1


@pytest.mark.django_db
def test_sixteen_hops_are_allowed_when_no_setting_says_otherwise():
    assert deliver(handler(print), saved(hops=16)).became == "handled"
    assert deliver(handler(print), saved(hops=17), raise_exceptions=False).became == "dead"


@pytest.mark.django_db
def test_event_is_passed_over_when_it_is_not_for_this_handler_whatever_its_hops():
    other = handler(print, patterns=(), triggers=triggers_of((user_login,), ("foo.Draft",)))
    event = replace(saved(hops=99), routing_key="foo.user_login.foo.draft")
    assert deliver(other, event).became == "skipped"


@pytest.mark.django_db
@pytest.mark.parametrize(("source", "became"), [("/tests", "skipped"), ("/shop", "handled")])
def test_own_event_is_skipped_when_the_handler_ignores_its_own(source, became):
    assert deliver(handler(print, ignore_own=True), saved(source=source)).became == became
    assert deliver(handler(print, name="all"), saved(source=source)).became == "handled"


def test_handler_that_is_asked_cannot_ignore_its_own():
    with pytest.raises(ValueError, match="ignore_own"):
        Handler(name="ask", function=print, triggers=triggers_of((user_login,)), ask=True, ignore_own=True)


def test_circle_of_two_services_comes_to_an_end(stage, queues, names):
    one, other = f"/{names['SERVICE']}", f"/{names['SERVICE']}-other"
    stage.env |= {"TEST_HANDLERS": ECHOING, "TEST_MAX_HOPS": "3"}
    workers = [
        stage.start("consume", "pong", "others"),
        stage.start("consume", "ping", "others", TEST_SERVICE=other[1:]),
    ]
    eventually(lambda: all("consuming" in worker.log.read_text() for worker in workers))
    stage.start("relay")
    stage.python("from tests.foo.models import Article\nArticle.objects.create(title='ping')")
    (letter,) = eventually(lambda: queues.peek("pong.dead"))
    assert letter.headers["x-reason"] == "too many hops"
    assert "MAX_HOPS is 3" in letter.headers["x-text"]
    assert "ignore_own=True" in letter.headers["x-text"]
    turns = [text.split() for handler, text, _ in stage.seen() if handler in ("ping", "pong")]
    assert [hops for hops, _, _ in turns] == ["0", "1", "2", "3"]
    assert [cause for _, _, cause in turns] == ["None", *(event for _, event, _ in turns[:-1])]
    heard = eventually(lambda: of if len(of := sorted(text for _, text, _ in stage.seen("others"))) == 4 else None)
    assert heard == [f"0 {one}", f"1 {other}", f"2 {one}", f"3 {other}"]


def test_trace_of_a_request_reaches_a_handler_in_another_process(stage):
    stage.env |= {"TEST_HANDLERS": ECHOING}
    stage.manage("topology", "--declare")
    stage.python("""
from django.contrib.auth.models import User
from django.test import Client
User.objects.create_user("ada", password="planted-password")
headers = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "x-request-id": "r-1"}
Client().post("/foo/login/", {"username": "ada", "password": "planted-password"}, headers=headers)
""")
    stage.manage("relay", "--once")
    stage.manage("consume", "traced", "--until-empty")
    assert [text for _, text, _ in stage.seen()] == ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 r-1"]
