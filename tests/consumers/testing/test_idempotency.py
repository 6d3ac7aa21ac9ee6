"""The assertion holds for handlers that may be called twice, and finds those that may not."""

import asyncio

import pytest
from django.core import mail
from django.db import transaction

from consumers import receiver, registry, subscribe
from consumers.testing import assert_idempotent, event_from
from project.blog.models import Comment, Post
from tests.bar.models import Seen
from tests.foo.models import Article, Note, Tag
from tests.foo.signals import article_flagged
from tests.kinds.models import Ticket

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_handlers", dict(registry._handlers))


def events(count=2):
    return [event_from(article_flagged, n=n) for n in range(count)]


def add(text, pid=0):
    Seen.objects.create(handler="h", text=text, pid=pid)


def test_handler_with_an_inbox_is_idempotent_and_leaves_nothing_behind():
    @receiver(article_flagged)
    def twice(n, **kwargs):
        add(n)
        add(f"{n} again")

    assert_idempotent(twice, *events())
    assert Seen.objects.count() == 0


@pytest.mark.django_db(databases=["default", "other"])
def test_nothing_is_left_behind_on_another_database():
    @receiver(article_flagged)
    def elsewhere(n, **kwargs):
        with transaction.atomic(using="other", durable=True):
            Seen.objects.using("other").create(handler="h", text=n, pid=0)
        add(n)

    assert_idempotent(elsewhere, *events())
    assert (Seen.objects.count(), Seen.objects.using("other").count()) == (0, 0)


def test_handler_without_an_inbox_is_found_when_its_events_come_twice():
    @receiver(article_flagged, inbox=False)
    def adds(n, **kwargs):
        add(n)

    with pytest.raises(AssertionError, match=r"adds: when each event comes twice,\n  bar.Seen: too much: .*'0'"):
        assert_idempotent(adds, *events())


def test_handler_without_an_inbox_is_idempotent_when_it_looks_first():
    @receiver(article_flagged, inbox=False)
    def sets(n, **kwargs):
        Seen.objects.update_or_create(handler=f"h{n}", defaults={"text": n, "pid": 0})

    assert_idempotent(sets, *events())


def test_handler_may_open_a_durable_transaction_when_it_has_no_inbox():
    @receiver(article_flagged, inbox=False)
    def sets(n, **kwargs):
        with transaction.atomic(durable=True):
            Seen.objects.update_or_create(handler=f"h{n}", defaults={"text": n, "pid": 0})

    assert_idempotent(sets, *events())


def test_async_handler_is_idempotent_when_it_writes_in_a_group_of_tasks():
    @receiver(article_flagged)
    async def writes(n, **kwargs):
        async with asyncio.TaskGroup() as group:
            group.create_task(Seen.objects.acreate(handler="h", text=n, pid=0))

    assert_idempotent(writes, *events())


def test_handler_is_found_when_it_dies_between_two_writes():
    @receiver(article_flagged, inbox=False)
    def halves(n, **kwargs):
        if not Seen.objects.filter(text=n).exists():
            add(n)
            Tag.objects.create(name=f"tag {n}")

    with pytest.raises(AssertionError, match=r"dies after write 1 of 2 of delivery 1, .*\n  foo.Tag: missing: "):
        assert_idempotent(halves, *events())


def test_handler_is_idempotent_when_its_two_writes_are_one_transaction():
    @receiver(article_flagged, inbox=False)
    def whole(n, **kwargs):
        with transaction.atomic():
            if not Seen.objects.filter(text=n).exists():
                add(n)
                Tag.objects.create(name=f"tag {n}")

    assert_idempotent(whole, *events())


def test_handler_is_found_when_the_last_event_wins():
    @receiver(article_flagged)
    def last_wins(n, **kwargs):
        Article.objects.update_or_create(title="one", defaults={"length": None, "data": {"n": n}})

    with pytest.raises(AssertionError, match=r"last_wins: when the events come in reverse,\n  foo.Article: "):
        assert_idempotent(last_wins, *events())


def test_ids_and_times_that_are_made_up_do_not_count():
    @receiver(article_flagged)
    def makes(n, **kwargs):
        Ticket.objects.create()
        Post.objects.create(title=n)

    assert_idempotent(makes, *events())


def test_made_up_ids_do_not_count_where_another_row_points_to_them():
    @receiver(article_flagged)
    def makes(n, **kwargs):
        Comment.objects.create(post=Post.objects.create(title=n), name=f"of {n}")
        Note.objects.create(title=n).tags.add(Tag.objects.create(name=n))

    assert_idempotent(makes, *events())


def test_handler_is_found_when_all_that_it_writes_is_made_up():
    @receiver(article_flagged, inbox=False)
    def makes(**kwargs):
        Ticket.objects.create()

    with pytest.raises(AssertionError, match=r"comes twice,\n  kinds.Ticket: too much: "):
        assert_idempotent(makes, *events(1))


def test_handler_is_found_when_a_row_points_to_another_one_than_in_order():
    @receiver(article_flagged)
    def first_wins(n, **kwargs):
        Post.objects.create(title=n)
        Comment.objects.create(post=Post.objects.earliest("pk"), name="ever the same")

    with pytest.raises(AssertionError, match=r"in reverse,\n  blog.Comment: too much: \('ever .*, '1', "):
        assert_idempotent(first_wins, *events())


def test_ordered_handler_is_given_no_other_order():
    @receiver(article_flagged, ordered=True)
    def last_wins(n, **kwargs):
        Article.objects.update_or_create(title="one", defaults={"data": {"n": n}})

    assert_idempotent(last_wins, *events())


def test_handler_is_found_when_its_second_call_raises():
    @receiver(article_flagged, inbox=False)
    def raises(n, **kwargs):
        if Seen.objects.filter(text=n).exists():
            raise LookupError("there already")
        add(n)

    with pytest.raises(AssertionError, match="when each event comes twice, it raises LookupError"):
        assert_idempotent(raises, *events())


def test_effect_elsewhere_is_what_the_test_says_it_is():
    sent = []

    @receiver(article_flagged, inbox=False)
    def sends(n, **kwargs):
        sent.append(n)

    @receiver(article_flagged, inbox=False)
    def sends_once(n, event, **kwargs):
        if event.id not in sent:
            sent.append(event.id)

    assert_idempotent(sends_once, *events(), state=lambda: sorted(sent), reset=sent.clear)
    with pytest.raises(AssertionError, match=r"it is      \[0, 0, 1, 1\]\n  instead of \[0, 1\]"):
        assert_idempotent(sends, *events(), state=lambda: sorted(sent), reset=sent.clear)


def test_inbox_does_not_keep_mail_from_being_sent_twice_when_the_process_dies():
    """What an inbox cannot do: the effect elsewhere is there, the note that it was is not."""
    sent = []

    @receiver(article_flagged)
    def sends(n, **kwargs):
        sent.append(n)
        add(n)

    with pytest.raises(AssertionError, match="dies after write 2 of 2 of delivery 1"):
        assert_idempotent(sends, *events(1), state=lambda: list(sent), reset=sent.clear)


def sends_alone(n, **kwargs):
    """As tests' own backend does; Django 6.1 warns of all settings that name no mailer."""
    mail.outbox.append(mail.EmailMessage("sent", str(n), to=["ada@example.com"]))


def sends_last(n, **kwargs):
    add(n)
    sends_alone(n)


async def sends_async(n, **kwargs):
    sends_alone(n)


@pytest.mark.parametrize("function", [sends_alone, sends_last, sends_async])
def test_mail_that_no_write_follows_is_found_when_the_process_dies_before_the_commit(function):
    receiver(article_flagged)(function)
    with pytest.raises(AssertionError, match=r"before the commit of delivery 1, .*\n  it is      2\n  instead of 1"):
        assert_idempotent(function, *events(1), state=lambda: len(mail.outbox), reset=mail.outbox.clear)


def test_batch_that_sends_is_found_when_the_process_dies_before_the_commit():
    @subscribe("foo.#", batch=10)
    def together(events):
        for event in events:
            sends_alone(event.id)

    with pytest.raises(AssertionError, match=r"dies before the commit of delivery 1, "):
        assert_idempotent(together, *events(2), state=lambda: len(mail.outbox), reset=mail.outbox.clear)


def welcome(sender, n, **kwargs):
    add(n)


def test_offloaded_receiver_is_idempotent(settings):
    settings.SIGNAL_BRIDGE = {"FORWARD": [], "OFFLOAD": [f"{__name__}.welcome"]}
    article_flagged.connect(welcome)
    try:
        assert_idempotent(welcome, *events())
    finally:
        article_flagged.disconnect(welcome)


def test_batch_handler_gets_its_events_together_and_one_by_one_when_the_process_died():
    sizes = []

    @subscribe("foo.#", batch=2)
    def together(events):
        sizes.append(len(events))
        for event in events:
            add(event.kwargs["n"])

    assert_idempotent(together, *events(4))
    assert sizes[:2] == [2, 2]
    # The last process died of the second batch, just before its commit.
    assert sizes[-4:] == [2, 2, 1, 1]


def test_batch_handler_is_found_when_it_counts_on_events_that_come_again_together():
    @subscribe("foo.#", batch=10)
    def counts(events):
        add(len(events))

    with pytest.raises(AssertionError, match="the process dies after write 1 of"):
        assert_idempotent(counts, *events(2))


def test_exception_is_told_when_the_handler_fails_anyway():
    @receiver(article_flagged)
    def fails(**kwargs):
        raise KeyError("always")

    with pytest.raises(AssertionError, match="when each event comes once, it raises KeyError"):
        assert_idempotent(fails, *events(1))


def test_no_event_is_an_error():
    with pytest.raises(ValueError, match="Name the events"):
        assert_idempotent(lambda **kwargs: None)
