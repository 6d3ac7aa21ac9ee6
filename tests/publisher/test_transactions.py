"""What is written to the outbox, and when: with the transaction, or not at all."""

import asyncio
from contextlib import suppress

import pytest
from django.contrib.auth import get_user_model
from django.core import serializers
from django.db import InterfaceError, InternalError, OperationalError, ProgrammingError, connection, transaction
from django.test import Client

from publisher.models import OutboxEvent
from publisher.outbox import statement
from publisher.outbox.writing import EventNotMade, OutboxNotWritten, Savepoints, SentInAsyncCode, number_of
from publisher.testing import forwarded_events
from publisher.wire.errors import NotEncodable
from publisher.wire.event import decode_event
from tests.foo.models import Article, Draft, Note, Tag
from tests.foo.signals import user_login


def written(using="default"):
    return [decode_event(bytes(row.body), row.routing_key) for row in OutboxEvent.objects.using(using)]


def keys(using="default"):
    return [event.routing_key for event in written(using)]


@pytest.mark.django_db(transaction=True)
def test_event_is_written_when_saved_in_autocommit():
    article = Article.objects.create(title="one")
    (event,) = written()
    assert event.routing_key == "db.post_save.foo.article"
    assert event.subject == event.partitionkey == f"foo.article/{article.pk}"
    assert event.kwargs["instance"].title == "one"
    assert event.kwargs["created"] is True


@pytest.mark.django_db(transaction=True)
def test_save_and_event_are_one_transaction_when_the_process_dies_between(monkeypatch):
    # Without the bridge's own transaction, the row would be committed before `post_save` is sent.
    monkeypatch.setattr("publisher.forwarding.encoded_from", lambda *args: exec("raise SystemExit"))
    with pytest.raises(SystemExit):
        Article.objects.create(title="lost")
    assert not Article.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_fixture_and_its_event_are_one_transaction_when_the_event_cannot_be_written(settings, monkeypatch):
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "FORWARD_RAW": True}
    (fixture,) = serializers.deserialize("python", [{"model": "foo.article", "pk": 1, "fields": {"title": "one"}}])
    with monkeypatch.context() as patched:
        patched.setattr(statement, "execute", lambda *args: exec("raise OSError"))
        with pytest.raises(OutboxNotWritten):
            fixture.save()
    assert not Article.objects.exists()
    fixture.save()
    assert keys() == ["db.post_save.foo.article"]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_written_before_commit_and_all_with_it():
    with transaction.atomic():
        Article.objects.create(title="one")
        Article.objects.create(title="two")
        assert not OutboxEvent.objects.exists()
    assert [event.kwargs["instance"].title for event in written()] == ["one", "two"]


@pytest.mark.django_db(transaction=True)
def test_one_insert_for_all_events_of_a_transaction(django_assert_num_queries):
    # BEGIN, three saves, one INSERT into the outbox, COMMIT.
    with django_assert_num_queries(6), transaction.atomic():
        for title in "abc":
            Article.objects.create(title=title)
    assert len(written()) == 3


@pytest.mark.django_db(transaction=True)
def test_nothing_is_written_when_rolled_back():
    with suppress(RuntimeError), transaction.atomic():
        Article.objects.create(title="one")
        raise RuntimeError
    Article.objects.create(title="two")
    assert [event.kwargs["instance"].title for event in written()] == ["two"]


@pytest.mark.django_db(transaction=True)
def test_events_of_a_savepoint_go_with_it():
    with transaction.atomic():
        Article.objects.create(title="kept")
        with suppress(RuntimeError), transaction.atomic():
            Article.objects.create(title="dropped")
            raise RuntimeError
        with transaction.atomic():
            Article.objects.create(title="kept too")
    assert [event.kwargs["instance"].title for event in written()] == ["kept", "kept too"]


def save_article(title):
    Article.objects.create(title=title)


@pytest.mark.django_db(transaction=True)
def test_events_of_a_savepoint_made_by_hand_go_with_it():
    with transaction.atomic():
        save_article("kept")
        outer = connection.savepoint()
        save_article("dropped")
        inner = connection.savepoint()
        save_article("dropped too")
        transaction.savepoint_commit(inner)
        transaction.savepoint_rollback(outer)
        save_article("dropped at the second time")
        transaction.savepoint_rollback(outer)
        save_article("kept too")
    assert [event.kwargs["instance"].title for event in written()] == ["kept", "kept too"]


@pytest.mark.django_db(transaction=True)
def test_events_before_and_after_a_savepoint_made_by_hand_stay_when_it_is_rolled_back():
    with transaction.atomic():
        with transaction.atomic():
            save_article("in a block before")
        sid = connection.savepoint()
        with transaction.atomic():
            save_article("dropped")
        transaction.savepoint_rollback(sid)
        with transaction.atomic():
            save_article("in a block after")
        transaction.savepoint_commit(connection.savepoint())
        save_article("last")
    expected = ["in a block before", "in a block after", "last"]
    assert [event.kwargs["instance"].title for event in written()] == expected


@pytest.mark.django_db(transaction=True)
def test_event_is_written_when_committed_by_hand():
    transaction.set_autocommit(False)
    try:
        Article.objects.create(title="rolled back")
        transaction.rollback()
        Article.objects.create(title="committed")
        transaction.commit()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert [event.kwargs["instance"].title for event in written()] == ["committed"]


@pytest.mark.django_db(transaction=True)
def test_transaction_fails_when_its_event_cannot_be_written():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE publisher_outboxevent RENAME TO away")
    try:
        with pytest.raises(OutboxNotWritten, match="outbox is not migrated") as raised:
            Article.objects.create(title="one")
        assert not isinstance(raised.value, OperationalError)
        assert not Article.objects.exists()
        assert connection.get_autocommit()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO publisher_outboxevent")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_transaction_fails_with_an_operational_error_when_the_database_is_away(error):
    def execute(run, sql, *args):
        if "publisher_outboxevent" in sql:
            raise error("server closed the connection unexpectedly")
        return run(sql, *args)

    with connection.execute_wrapper(execute), pytest.raises(OperationalError, match="closed the connection") as raised:
        Article.objects.create(title="one")
    assert isinstance(raised.value, OutboxNotWritten)
    assert "migrated" not in str(raised.value)
    assert not Article.objects.exists()


class Driver(Exception):
    """An error of a driver, of which Django makes one of its own."""

    sqlstate = None


def failing(error, *args, sqlstate=None):
    """A wrapper for statements, where the one that writes events fails so."""
    cause = Driver(*args)
    cause.sqlstate = sqlstate

    def execute(run, sql, *params):
        if "publisher_outboxevent" in sql:
            raise error(*args) from cause
        return run(sql, *params)

    return connection.execute_wrapper(execute)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("failure", "is_missing"),
    [
        ((OperationalError, "table publisher_outboxevent has no column named slot"), True),
        ((OperationalError, 1054, "Unknown column 'slot' in 'field list'"), True),
        ((ProgrammingError, 1146, "Table 'shop.publisher_outboxevent' doesn't exist"), True),
        ((InternalError, "current transaction is aborted, commands ignored until end of transaction block"), False),
        ((ProgrammingError, "permission denied for table publisher_outboxevent"), False),
    ],
)
def test_transaction_fails_with_a_word_of_migrations_only_when_the_outbox_is_not_there(failure, is_missing):
    with failing(*failure), pytest.raises(OutboxNotWritten) as raised:
        Article.objects.create(title="one")
    assert ("outbox is not migrated" in str(raised.value)) is is_missing
    assert not isinstance(raised.value, OperationalError)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("sqlstate", "is_missing"), [("42P01", True), ("42703", True), ("25P02", False)])
def test_transaction_fails_with_a_word_of_migrations_by_postgresqls_code(sqlstate, is_missing):
    failure = failing(ProgrammingError, "in any language", sqlstate=sqlstate)
    with failure, pytest.raises(OutboxNotWritten) as raised:
        Article.objects.create(title="one")
    assert ("outbox is not migrated" in str(raised.value)) is is_missing


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_event_is_on_the_alias_of_the_write():
    Article.objects.using("other").create(title="one")
    assert keys("other") == ["db.post_save.foo.article"]
    assert keys() == []


@pytest.mark.django_db(transaction=True)
def test_excluded_and_unnamed_models_write_nothing():
    Draft.objects.create()
    get_user_model().objects.create_user("ada")
    assert keys() == []


@pytest.mark.django_db(transaction=True)
def test_many_to_many_and_cascade_are_forwarded():
    article = Article.objects.create(title="one")
    article.tags.add(Tag.objects.create(name="x"))
    note = Note.objects.create(title="two")
    OutboxEvent.objects.all().delete()
    article.tags.clear()
    note.delete()
    assert keys() == [
        "db.m2m_changed.foo.article_tags",
        "db.m2m_changed.foo.article_tags",
        "db.post_delete.foo.note",
        "db.post_delete.foo.article",
    ]
    added = written()[0]
    assert added.kwargs["action"] == "pre_clear"
    assert added.kwargs["model"] is Tag
    assert added.kwargs["pk_set"] is None


@pytest.mark.django_db(transaction=True)
def test_custom_signal_of_a_view_is_forwarded():
    user = get_user_model().objects.create_user("ada", password="planted-password")
    response = Client().post("/foo/login/", {"username": "ada", "password": "planted-password"})
    assert response.status_code == 302
    (event,) = written()
    assert (event.routing_key, event.type) == ("foo.user_login", "tests.foo.signals.user_login")
    assert event.subject == f"auth.user/{user.pk}"
    assert event.kwargs["request"].path == "/foo/login/"
    assert event.kwargs["user"] == user


@pytest.mark.django_db(transaction=True)
def test_sender_hears_nothing():
    answers = user_login.send(sender=None, request=None, user=None)
    assert {answer for _, answer in answers} == {None}


@pytest.mark.django_db(transaction=True)
def test_sender_may_be_an_instance():
    article = Article.objects.create(title="one")
    OutboxEvent.objects.all().delete()
    article.publish()
    (event,) = written()
    assert event.routing_key == "foo.article_published.foo.article"
    assert event.subject == f"foo.article/{article.pk}"
    assert event.sender_instance == article


@pytest.mark.django_db(transaction=True)
def test_secrets_stay_here_when_a_model_has_them():
    Article.objects.create(title="one", api_token="planted-secret")
    (row,) = OutboxEvent.objects.all()
    assert b"planted-secret" not in bytes(row.body)
    event = decode_event(bytes(row.body))
    assert event.data["types"]["kwargs.instance.fields.api_token"] == "dropped"


@pytest.mark.django_db
def test_pending_events_can_be_run_as_commit_hooks_when_in_a_test_case(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        Article.objects.create(title="one")
    assert keys() == ["db.post_save.foo.article"]


@pytest.mark.django_db(transaction=True)
def test_event_is_written_too_when_it_comes_while_others_are_written(monkeypatch):
    def saving(*args):
        execute(*args)
        if not Article.objects.filter(title="two").exists():
            Article.objects.create(title="two")

    execute = statement.execute
    monkeypatch.setattr(statement, "execute", saving)
    with transaction.atomic():
        Article.objects.create(title="one")
    assert [event.kwargs["instance"].title for event in written()] == ["one", "two"]


@pytest.mark.django_db(transaction=True)
def test_events_stay_with_their_block_when_a_commit_in_an_inner_one_is_refused():
    with transaction.atomic():
        save_article("outer")
        with suppress(transaction.TransactionManagementError), transaction.atomic():
            transaction.commit()
    assert [event.kwargs["instance"].title for event in written()] == ["outer"]


@pytest.mark.django_db(transaction=True)
def test_events_stay_when_savepoints_are_numbered_anew():
    with transaction.atomic():
        transaction.savepoint_commit(connection.savepoint())
        save_article("kept")
        transaction.clean_savepoints()
        transaction.savepoint_rollback(connection.savepoint())
    assert [event.kwargs["instance"].title for event in written()] == ["kept"]


@pytest.mark.django_db(transaction=True)
def test_savepoint_that_is_rolled_back_asks_none_of_the_events_before_it(monkeypatch):
    asked = []

    def contains(self, sid):
        asked.append(sid)
        return number_of(sid) <= self.made

    monkeypatch.setattr(Savepoints, "__contains__", contains)
    with transaction.atomic():
        for n in range(20):
            with transaction.atomic():
                save_article(f"kept {n}")
            with suppress(RuntimeError), transaction.atomic():
                save_article("dropped")
                raise RuntimeError
        transaction.on_commit(lambda: save_article("after"))
    assert [event.kwargs["instance"].title for event in written()] == [*(f"kept {n}" for n in range(20)), "after"]
    assert len(asked) == 20


@pytest.mark.django_db(transaction=True)
def test_hooks_of_others_are_pruned_as_django_does_among_events():
    called = []
    with transaction.atomic():
        transaction.on_commit(lambda: called.append("before"))
        save_article("kept")
        with suppress(RuntimeError), transaction.atomic():
            transaction.on_commit(lambda: called.append("dropped"))
            save_article("dropped")
            raise RuntimeError
        sid = connection.savepoint()
        transaction.on_commit(lambda: called.append("no block's"))
        transaction.savepoint_rollback(sid)
        save_article("kept too")
    assert called == ["before", "no block's"]
    assert [event.kwargs["instance"].title for event in written()] == ["kept", "kept too"]


@pytest.mark.django_db(transaction=True)
def test_sender_is_told_what_to_do_when_it_sends_in_async_code():
    async def view():
        user_login.send(None, request=None, user=None)

    with pytest.raises(SentInAsyncCode, match=r"await signal\.asend"):
        asyncio.run(view())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("rule", "breaks"),
    [({}, "publisher.forwarding.encoded_from"), ({"when": f"{__name__}.broken"}, None)],
    ids=["encoder", "predicate"],
)
def test_block_does_not_commit_when_a_strict_rule_failed_and_the_error_is_caught(settings, monkeypatch, rule, breaks):
    rule = {"signal": "django.db.models.signals.post_save", "strict": True, **rule}
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "FORWARD": [rule]}
    if breaks:
        monkeypatch.setattr(breaks, broken)
    # In silence it would be taken for saved.
    with (
        pytest.raises(EventNotMade, match=r"was not made.*atomic\(\).*broken"),
        transaction.atomic(),
        suppress(ValueError),
    ):
        save_article("one")
    assert not Article.objects.exists()
    assert written() == []


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_to_a_savepoint_does_not_forbid_the_commit(settings, monkeypatch):
    rule = {"signal": "django.db.models.signals.post_save", "strict": True, "senders": ["foo.Article"]}
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "FORWARD": [rule]}
    monkeypatch.setattr("publisher.forwarding.encoded_from", broken)
    with transaction.atomic():
        Tag.objects.create(name="kept")
        with suppress(ValueError), transaction.atomic():
            save_article("one")
    assert Tag.objects.exists()
    assert not Article.objects.exists()


@pytest.mark.django_db
def test_test_goes_on_after_a_strict_rule_failed(settings, monkeypatch):
    rule = {"signal": "tests.foo.signals.user_login", "strict": True}
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "FORWARD": [rule]}
    with forwarded_events() as events:
        with pytest.raises(NotEncodable):
            user_login.send(None, user=object())
        user_login.send(None, user="ada")
        Tag.objects.create(name="there")
    assert [event.kwargs for event in events] == [{"user": "ada"}]
    assert Tag.objects.exists()


def broken(*args, **kwargs):
    raise ValueError("broken")
