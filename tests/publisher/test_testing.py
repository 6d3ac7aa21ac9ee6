"""The helper for a project's own tests, where they commit and where they do not."""

from contextlib import suppress

import pytest
from django.db import transaction
from django.dispatch import Signal
from django.test import TestCase, TransactionTestCase

from publisher.testing import answers, forwarded_events
from tests.foo.models import Article, Draft
from tests.foo.signals import article_published, user_login


def titles(events):
    return [event.kwargs["instance"].title for event in events]


class UnderTestCase(TestCase):
    def test_events_are_seen_without_a_commit(self):
        Article.objects.create(title="before")
        with forwarded_events() as events:
            Article.objects.create(title="one")
            with transaction.atomic():
                Article.objects.create(title="two")
        Article.objects.create(title="after")
        assert titles(events) == ["one", "two"]
        assert [event.routing_key for event in events] == ["db.post_save.foo.article"] * 2

    def test_events_of_a_rolled_back_savepoint_are_not_seen(self):
        with forwarded_events() as events:
            with suppress(RuntimeError), transaction.atomic():
                Article.objects.create(title="dropped")
                raise RuntimeError
            Article.objects.create(title="kept")
        assert titles(events) == ["kept"]

    def test_events_are_seen_once_when_commit_hooks_are_executed(self):
        with forwarded_events() as events, self.captureOnCommitCallbacks(execute=True):
            Article.objects.create(title="one")
        assert titles(events) == ["one"]

    async def test_events_of_async_code_are_seen(self):
        await Article.objects.acreate(title="before")
        async with forwarded_events() as events:
            await Article.objects.acreate(title="one")
            assert events == []
        await Article.objects.acreate(title="after")
        assert titles(events) == ["one"]


class UnderTransactionTestCase(TransactionTestCase):
    databases = ("default", "other")

    def test_committed_events_are_seen(self):
        Article.objects.create(title="before")
        with forwarded_events() as events:
            Article.objects.create(title="one")
        assert titles(events) == ["one"]

    def test_events_are_those_of_one_alias(self):
        with forwarded_events() as events, forwarded_events(using="other") as others:
            Article.objects.using("other").create(title="one")
        assert (events, titles(others)) == ([], ["one"])


@pytest.mark.django_db
def test_list_is_empty_when_nothing_is_forwarded():
    with forwarded_events() as events:
        Draft.objects.create()
    assert events == []


@pytest.mark.django_db(transaction=True)
def test_list_is_filled_when_the_block_raises():
    with suppress(RuntimeError), forwarded_events() as events:
        Article.objects.create(title="one")
        raise RuntimeError
    assert titles(events) == ["one"]


@pytest.mark.django_db(transaction=True)
def test_list_is_empty_when_the_transaction_is_lost():
    with suppress(RuntimeError), transaction.atomic():
        with forwarded_events() as events:
            Article.objects.create(title="one")
            transaction.set_rollback(True)
        assert events == []
        raise RuntimeError


@pytest.fixture
def asking(settings):
    rule = {"signal": "tests.foo.signals.*", "delivery": "ask", "timeout": 60, "on_timeout": "nobody"}
    broker = {"BROKER_URL": "amqp://nobody.is.there.invalid:1"}
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, **broker, "FORWARD": [rule]}


def test_question_is_answered_as_the_test_says_and_without_a_broker(asking):
    with answers({user_login: {"may": False}}):
        assert [answer for _, answer in user_login.send(None, user=1)] == [{"may": False}]
        assert [answer for _, answer in article_published.send(None)] == ["nobody"]


def test_answer_to_a_signal_that_nobody_knows_is_an_error():
    with pytest.raises(LookupError, match="not in the catalogue"), answers({Signal(): 1}):
        pass
