"""What a handler wrote is committed, or its event was not handled."""

from contextlib import suppress
from threading import Event as Flag

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test import TestCase

from consumers import BatchFailed, Event, registry, subscribe
from consumers.exceptions import HandlerRolledBack
from consumers.handler import Handler
from consumers.handling.handling import Handling
from consumers.handling.received import Received, event_of
from consumers.handling.results import Dead, Failed, Handled
from consumers.models import InboxEvent
from consumers.querysets import key_of
from consumers.testing import assert_idempotent, deliver
from tests.foo.models import Draft

ROLLED_BACK = "consumers.exceptions.HandlerRolledBack"


def one(id="e1", **more):
    body = b'{"specversion":"1.0","id":"%s","source":"/x","type":"t"}' % id.encode()
    return Received(body=body, routing_key="a", **more)


def handling(function, **more):
    return Handling(Handler(name="h", function=function, patterns=("#",), **more), "blog.h", stop=Flag())


def texts():
    return list(Draft.objects.order_by("pk").values_list("text", flat=True))


def catching(event):
    """A database error outside a savepoint, and no query after it that would find out."""
    Draft.objects.create(pk=1, text="effect")
    with suppress(IntegrityError):
        Draft.objects.create(pk=1, text="taken")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("more", [{}, {"late_inbox": True}], ids=str)
@pytest.mark.parametrize("is_suspect", [False, True])
def test_event_was_not_handled_when_its_handler_caught_a_database_error(more, is_suspect):
    result = handling(catching, **more)(one(is_suspect=is_suspect))
    assert isinstance(result, Failed)
    assert result.exception == ROLLED_BACK
    assert result.where == f"handling/test_effect.py:{catching.__code__.co_firstlineno + 4}"
    assert texts() == []
    assert not InboxEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_batch_was_not_handled_when_its_handler_caught_a_database_error():
    results = handling(catching, batch=5).together([one("e1"), one("e2")])
    assert [result.exception for result in results] == [ROLLED_BACK, ROLLED_BACK]
    assert texts() == []
    assert not InboxEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_event_is_handled_when_its_handler_caught_a_database_error_in_a_savepoint():
    def careful(event):
        Draft.objects.create(pk=1, text="effect")
        with suppress(IntegrityError), transaction.atomic():
            Draft.objects.create(pk=1, text="taken")

    assert isinstance(handling(careful)(one()), Handled)
    assert texts() == ["effect"]


@pytest.mark.django_db(transaction=True)
def test_effect_is_committed_when_another_handler_left_autocommit_off():
    def manual(event):
        transaction.set_autocommit(False)
        Draft.objects.create(text="manual")
        raise ValueError

    handling(manual, inbox=False)(one())
    assert isinstance(handling(lambda event: Draft.objects.create(text="effect"))(one()), Handled)
    assert connection.get_autocommit()
    assert texts() == ["effect"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", [ConnectionError, OperationalError, SystemExit])
@pytest.mark.parametrize("more", [{}, {"late_inbox": True}], ids=str)
def test_work_left_to_on_commit_is_a_dead_letter_when_it_raises(kind, more):
    def function(event):
        Draft.objects.create(text="effect")
        transaction.on_commit(lambda: hook(kind("the mail server")))

    handle = handling(function, **more)
    result = handle(one())
    assert isinstance(result, Dead)
    assert result.reason == "on_commit"
    assert "do what is missing by hand" in result.headers["x-text"]
    assert result.headers["x-text"].endswith(f"{kind.__name__}: the mail server")
    assert result.headers["x-where"].startswith("handling/test_effect.py:")
    assert texts() == ["effect"]
    again = handle(one())
    assert isinstance(again, Handled)
    assert again.event is None


def hook(exc):
    raise exc


@pytest.mark.django_db(transaction=True)
def test_event_of_a_batch_is_tried_again_when_it_failed_and_on_commit_raises():
    def function(events):
        transaction.on_commit(lambda: hook(ConnectionError()))
        raise BatchFailed({"e2": ValueError()})

    first, second = handling(function, batch=5).together([one("e1"), one("e2")])
    assert (first.reason, second.exception) == ("on_commit", "builtins.ValueError")
    # It was never raised itself.
    assert second.where == f"handling/test_effect.py:{function.__code__.co_firstlineno + 2}"
    assert InboxEvent.objects.get().event_id == key_of(event_of(one("e1")))


@pytest.mark.django_db(transaction=True)
def test_event_is_tried_again_when_it_cannot_commit(monkeypatch):
    def function(event):
        transaction.on_commit(lambda: hook(AssertionError("it was not committed")))
        monkeypatch.setattr(connection, "commit", lambda: hook(IntegrityError("deferred")))

    assert handling(function)(one()).exception == "django.db.utils.IntegrityError"
    monkeypatch.undo()
    assert not InboxEvent.objects.exists()


def test_event_was_not_handled_when_its_handler_closed_its_connection(stage):
    assert tried(stage, "from django.db import connections as them; them.close_all()") == f"{ROLLED_BACK} 0 0"


def test_event_was_not_handled_when_its_handler_left_a_transaction_open(stage):
    code = "from django.db import transaction; transaction.atomic().__enter__()"
    assert tried(stage, code) == f"{ROLLED_BACK} 0 0"


@pytest.mark.parametrize("engine", ["postgres"])
def test_event_was_not_handled_when_its_handler_caught_the_error_of_a_raw_statement(stage):
    code = """
    try:
        connection.cursor().execute("SELECT 1 / 0")
    except Exception:
        pass"""
    assert tried(stage, code) == f"{ROLLED_BACK} 0 0"


@pytest.mark.parametrize("engine", ["mariadb"])
def test_event_was_not_handled_when_its_handler_caught_a_deadlock(stage):
    """The database has undone the whole transaction then, and begins another with the next statement."""
    code = """
    def other():
        with transaction.atomic():
            Draft.objects.bulk_create(Draft(text="more to undo") for _ in range(50))
            Draft.objects.filter(pk=2).update(text="other")
            has_second.set()
            Draft.objects.filter(pk=1).update(text="other")
            transaction.set_rollback(True)
        connection.close()

    Draft.objects.filter(pk=1).update(text="mine")
    thread = Thread(target=other)
    thread.start()
    has_second.wait()
    try:
        connection.cursor().execute("UPDATE foo_draft SET text = 'mine' WHERE id = 2")
    except OperationalError:
        Draft.objects.create(text="after the deadlock")
    thread.join()"""
    stage.python("from tests.foo.models import Draft; Draft.objects.create(pk=1); Draft.objects.create(pk=2)")
    assert tried(stage, code) == f"{ROLLED_BACK} 2 0"


def tried(stage, last):
    """What became of an event whose handler writes a row and does this last; the rows of drafts and inbox."""
    code = f"""
from contextlib import suppress
from threading import Event, Thread
from django.db import OperationalError, connection, transaction
from consumers.models import InboxEvent
from tests.consumers.handling.test_effect import handling, one
from tests.foo.models import Draft

has_second = Event()

def function(event):
    Draft.objects.create(text="effect")
    {last.strip()}

result = handling(function)(one())
print(getattr(result, "exception", type(result).__name__), Draft.objects.count(), InboxEvent.objects.count())
"""
    return stage.python(code).strip()


@pytest.fixture
def own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_handlers", dict(registry._handlers))


@pytest.mark.usefixtures("own_registry")
class UnderTestCase(TestCase):
    """The test's own transaction goes on."""

    def test_caught_database_error_is_seen_in_a_projects_test(self):
        subscribe("#", name="catching")(catching)
        event = Event(specversion="1.0", id="e1", source="/x", type="t")
        with pytest.raises(HandlerRolledBack):
            deliver("catching", event)
        assert texts() == []
        with pytest.raises(AssertionError, match="HandlerRolledBack"):
            assert_idempotent("catching", event)
        Draft.objects.create(text="after")
        assert texts() == ["after"]

    def test_hooks_of_a_projects_test_are_its_handlers_own(self):
        subscribe("#", name="hooking")(lambda event: transaction.on_commit(len))
        with self.captureOnCommitCallbacks() as hooks:
            deliver("hooking", Event(specversion="1.0", id="e1", source="/x", type="t"))
        assert hooks == [len]


@pytest.mark.parametrize("engine", ["mariadb"])
def test_event_was_not_handled_when_its_handler_failed_after_a_statement_that_commits(stage):
    """On MySQL the inbox's row is committed with what was written before: the next attempt would find it."""
    code = """
    connection.cursor().execute("TRUNCATE TABLE foo_draft")
    raise LookupError"""
    assert tried(stage, code) == "builtins.LookupError 0 0"


COMMITTING, LEFT_OPEN = 'connection.cursor().execute("TRUNCATE TABLE foo_draft")', "transaction.atomic().__enter__()"


@pytest.mark.parametrize("engine", ["mariadb"])
@pytest.mark.parametrize(
    ("first", "then", "exception"),
    [
        (COMMITTING, LEFT_OPEN, "consumers.exceptions.HandlerRolledBack"),
        # The savepoint is gone with the transaction.
        (LEFT_OPEN, COMMITTING, "django.db.utils.OperationalError"),
    ],
)
def test_event_was_not_handled_when_its_handler_left_a_block_open_beside_a_statement_that_commits(
    stage, first, then, exception
):
    code = f"""
    {first}
    {then}"""
    assert tried(stage, code) == f"{exception} 0 0"


@pytest.mark.parametrize("engine", ["mariadb"])
def test_row_of_another_process_stays_when_a_handler_failed(stage):
    """A copy may have been handled there in the moment between."""
    code = """
    def other():
        row = InboxEvent.objects.get()
        row.delete()
        InboxEvent.objects.create(subscription=row.subscription, event_id=row.event_id)
        connection.close()

    connection.cursor().execute("TRUNCATE TABLE foo_draft")
    thread = Thread(target=other)
    thread.start()
    thread.join()
    raise LookupError"""
    assert tried(stage, code) == "builtins.LookupError 0 1"


@pytest.mark.parametrize(
    ("engine", "suicide"),
    [("postgres", "SELECT pg_terminate_backend(pg_backend_pid())"), ("mariadb", "KILL CONNECTION CONNECTION_ID()")],
)
def test_effect_is_there_once_when_the_answer_to_its_commit_was_lost(stage, suicide):
    """Whether it was committed is known to the inbox's row alone."""
    code = f"""
    ends = connection.connection
    commit = ends.commit

    def lost():
        commit()
        with suppress(Exception):
            ends.cursor().execute("{suicide}")
        commit()

    ends.commit = lost"""
    assert tried(stage, code) == "Handled 1 1"
