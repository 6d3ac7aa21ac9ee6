"""Trouble with the database is waited out, and is not the event's fault."""

from threading import Event as Flag
from threading import Timer

import pytest
from django.db import OperationalError, ProgrammingError, connection

from consumers.handler import Handler
from consumers.handling.handling import Handling
from consumers.handling.patience import TRIES
from consumers.handling.received import Received
from consumers.handling.results import Failed, GivenBack, Handled
from consumers.models import Attempt, InboxEvent
from consumers.querysets import attempts
from consumers.retry import Backoff
from publisher.wire.event import decode_event
from tests.bar.models import Seen
from tests.databases import without_table
from tests.foo.models import Article
from tests.proxy import Proxy
from tests.stage import eventually

EVENT = b'{"specversion":"1.0","id":"e1","source":"/x","type":"t"}'


@pytest.fixture
def handle():
    """Deliver one event to a function; what became of it."""

    def handle(function, stop=None, is_suspect=False, **more):
        handler = Handler(name="h", function=function, patterns=("#",), retry=Backoff(delays=(1.0,)), **more)
        message = Received(body=EVENT, routing_key="a", is_suspect=is_suspect)
        return Handling(handler, "blog.h", stop=stop or Flag())(message)

    return handle


@pytest.mark.django_db(transaction=True)
def test_locked_database_is_tried_again_in_place_and_uses_up_no_attempt(handle):
    calls = []

    def locked_twice(event):
        Seen.objects.create(handler="h", text=len(calls), pid=0)
        calls.append(event)
        if len(calls) < 3:
            raise OperationalError("database is locked")

    assert isinstance(handle(locked_twice), Handled)
    assert [seen.text for seen in Seen.objects.all()] == ["2"]
    assert InboxEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_database_that_is_away_when_the_handlers_own_event_is_written_is_tried_again(handle):
    calls, refused = [], []

    def saves(event):
        Article.objects.create(title="one")
        calls.append(event)

    def execute(run, sql, *args):
        if "publisher_outboxevent" in sql and not refused:
            refused.append(sql)
            raise OperationalError("server closed the connection unexpectedly")
        return run(sql, *args)

    with connection.execute_wrapper(execute):
        assert isinstance(handle(saves), Handled)
    assert len(calls) == 2
    assert Article.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_database_that_stays_locked_is_an_attempt_in_the_end(handle):
    calls = []

    def locked(event):
        calls.append(event)
        raise OperationalError("database is locked")

    assert isinstance(handle(locked), Failed)
    assert len(calls) == TRIES
    assert not InboxEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_event_goes_back_when_the_process_is_to_end_meanwhile(handle):
    stop = Flag()

    def locked(event):
        stop.set()
        raise OperationalError("database is locked")

    assert isinstance(handle(locked, stop), GivenBack)


@pytest.mark.django_db(transaction=True)
def test_trouble_with_the_count_of_an_events_starts_uses_up_no_attempt(handle):
    failures = 4

    def failing(execute, sql, params, many, context):
        nonlocal failures
        if Attempt._meta.db_table in sql and failures:
            failures -= 1
            raise OperationalError("the connection is closed")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(failing):
        assert isinstance(handle(lambda event: None, is_suspect=True), Handled)
    assert not failures
    assert not Attempt.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_starts_are_counted_until_one_ends():
    event, other = (decode_event(EVENT.replace(b"e1", id)) for id in (b"e1", b"e2"))
    assert [attempts("default").begin("blog.h", event) for _ in range(3)] == [1, 2, 3]
    assert attempts("default").begin("blog.h", other) == 1
    attempts("default").end("blog.h", event)
    assert attempts("default").begin("blog.h", event) == 1


@pytest.mark.parametrize("engine", ["postgres"])
def test_starts_are_counted_when_many_are_at_one_event(stage):
    code = f"""
from concurrent.futures import ThreadPoolExecutor
from django.db import connections
from consumers.models import Attempt
from consumers.querysets import attempts
from publisher.wire.event import decode_event
event = decode_event({EVENT})
def work(_):
    for _ in range(50):
        attempts("default").begin("blog.h", event)
        attempts("default").end("blog.h", event)
    connections.close_all()
with ThreadPoolExecutor(4) as pool:
    list(pool.map(work, range(4)))
print(Attempt.objects.count())
"""
    assert stage.python(code).split() == ["0"]


@pytest.mark.parametrize("engine", ["postgres"])
def test_nothing_is_lost_or_counted_while_the_database_is_away(stage, queues):
    stage.env |= {"TEST_HANDLERS": "tests.bar.faulty", "TEST_NOTES": str(stage.folder / "notes")}
    database = Proxy(stage.database.url)
    database.open()
    try:
        worker = stage.start("consume", "plain", TEST_DATABASE_URL=database.url)
        eventually(lambda: "consuming" in worker.log.read_text())
        queues.event("t.plain", {"n": 0})
        eventually(lambda: stage.seen("plain"))
        database.close()
        for n in range(1, 20):
            queues.event("t.plain", {"n": n})
        eventually(lambda: "waiting for the database" in worker.log.read_text())
        with pytest.raises(AssertionError):
            eventually(lambda: "failed event=" in worker.log.read_text() or worker.poll() is not None, seconds=1)
        database.open()
        eventually(lambda: len(stage.seen("plain")) == 20)
        assert sorted(int(text) for _, text, _ in stage.seen("plain")) == list(range(20))
        assert "failed event=" not in worker.log.read_text()
        assert queues.count("plain.dead") == 0
        worker.terminate()
        assert worker.wait(15) == 0
    finally:
        database.close()


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_inbox_that_is_missing_is_waited_for_and_the_log_says_what_to_do(stage, queues):
    stage.env |= {"TEST_HANDLERS": "tests.bar.faulty", "TEST_NOTES": str(stage.folder / "notes")}
    stage.database.rows("ALTER TABLE consumers_inboxevent RENAME TO away")
    worker = stage.start("consume", "plain")
    eventually(lambda: "consuming" in worker.log.read_text())
    queues.event("t.plain", {"n": 1})
    eventually(lambda: "; run: manage.py migrate consumers --database default" in worker.log.read_text())
    with pytest.raises(AssertionError):
        eventually(lambda: "failed event=" in worker.log.read_text() or queues.count("plain.dead"), seconds=2)
    stage.database.rows("ALTER TABLE away RENAME TO consumers_inboxevent")
    eventually(lambda: [text for _, text, _ in stage.seen("plain")] == ["1"])
    assert worker.log.read_text().count("waiting for the database") == 1


@pytest.mark.django_db(transaction=True)
def test_programming_error_of_the_handler_is_an_attempt_at_once(handle):
    calls = []

    def wrong(event):
        calls.append(event)
        raise ProgrammingError("syntax error")

    assert isinstance(handle(wrong), Failed)
    assert len(calls) == 1


@pytest.mark.django_db(transaction=True)
def test_handler_without_an_inbox_does_not_wait_for_one(handle):
    def locked(event):
        raise OperationalError("database is locked")

    stop = Flag()
    end = Timer(8, stop.set)
    end.start()
    with without_table(InboxEvent):
        assert isinstance(handle(locked, stop, inbox=False), Failed)
    end.cancel()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("batch", [0, 5])
def test_handler_without_an_inbox_is_called_once_an_attempt_when_its_database_answers(batch):
    """Nothing undoes what the first call did."""
    calls = []

    def elsewhere(event):
        calls.append(event)
        raise OperationalError("another server")

    handler = Handler(name="h", function=elsewhere, patterns=("#",), inbox=False, batch=batch)
    handling, received = Handling(handler, "blog.h", stop=Flag()), Received(body=EVENT, routing_key="a")
    (result,) = handling.together([received]) if batch else [handling(received)]
    assert isinstance(result, Failed)
    assert len(calls) == 1


@pytest.mark.django_db(transaction=True)
def test_call_that_is_tried_again_in_place_is_told_of(handle, caplog):
    def deadlocked(event):
        raise OperationalError("deadlock detected: planted-secret")

    assert isinstance(handle(deadlocked), Failed)
    told = [record.message for record in caplog.records if record.name == "consumers.handling.patience"]
    where = f"handling/test_patience.py:{deadlocked.__code__.co_firstlineno + 1}"
    error = f"django.db.utils.OperationalError ({where})"
    assert told == [f"trying again in place, {left} times more: {error}" for left in (4, 3, 2, 1)]


def test_starts_are_counted_for_good_when_the_project_does_not_commit_by_itself(stage):
    printed = stage.python("""
from threading import Event as Flag
from django.db import connection, connections
connections.settings["default"]["AUTOCOMMIT"] = False
from consumers.handling.handling import Handling
from consumers.models import Attempt
from consumers.handling.received import Received
from consumers.handler import Handler
def kill(event):
    connection.close()
    connection.settings_dict["AUTOCOMMIT"] = True
    print(Attempt.objects.get().count)
body = b'{"specversion":"1.0","id":"e1","source":"/x","type":"t"}'
handler = Handler(name="h", function=kill, patterns=("#",), inbox=False)
Handling(handler, "blog.h", stop=Flag())(Received(body=body, routing_key="a", is_suspect=True))
""")
    assert printed.split() == ["1"]


READ_ONLY = f"""
from threading import Event as Flag
from django.db import connection
from consumers.handling import patience
from consumers.handling.handling import Handling
from consumers.handling.received import Received
from consumers.handler import Handler
from consumers.retry import Backoff
from tests.bar.models import Seen
looks, calls = [True, True, False], []
is_read_only = patience.is_read_only
def switches_over(using):
    # The first connection after it is read-only still.
    return is_read_only(using) or looks.pop(0)
patience.is_read_only = switches_over
def handle(event):
    calls.append(event)
    Seen.objects.create(handler="h", text="a", pid=0)
handler = Handler(name="h", function=handle, patterns=("#",), retry=Backoff(delays=()))
connection.cursor().execute("SET default_transaction_read_only = on")
result = Handling(handler, "blog.h", stop=Flag())(Received(body={EVENT!r}, routing_key="a"))
print(type(result).__name__, len(calls), len(looks), Seen.objects.count())
"""


@pytest.mark.parametrize("engine", ["postgres"])
def test_database_that_takes_no_writes_is_waited_for(stage):
    """As after a failover, until the connection leads to the new primary."""
    assert stage.python(READ_ONLY).split() == ["Handled", "1", "0", "1"]


OTHER = f"""
from threading import Event as Flag
from django.db import connection, connections
from consumers.handling.handling import Handling
from consumers.handling.received import Received
from consumers.handler import Handler
from consumers.retry import Backoff
connections.databases["second"] = connections.databases["default"]
calls = []
def handle(event):
    calls.append(event)
    connections["second"].cursor().execute("SELECT 1")
with connections["second"].cursor() as cursor:
    cursor.execute("SELECT pg_backend_pid()")
    (pid,) = cursor.fetchone()
connection.cursor().execute("SELECT pg_terminate_backend(%s)", [pid])
handler = Handler(name="h", function=handle, patterns=("#",), retry=Backoff(delays=()))
result = Handling(handler, "blog.h", stop=Flag())(Received(body={EVENT!r}, routing_key="a"))
print(type(result).__name__, len(calls))
"""


@pytest.mark.parametrize("engine", ["postgres"])
def test_lost_connection_of_another_database_is_replaced_before_the_next_try(stage):
    assert stage.python(OTHER).split() == ["Handled", "2"]
