"""An event that was given out before may have killed its process: its starts are counted, and innocence is assumed."""

import json
from threading import Event as Flag

import pytest
from msgspec.structs import replace

from consumers.exceptions import BatchFailed
from consumers.handler import Handler
from consumers.handling.handling import Handling
from consumers.handling.received import Received
from consumers.handling.results import Dangerous, Dead, Failed, Handled
from consumers.models import Attempt, InboxEvent
from consumers.querysets import attempts
from consumers.retry import Backoff
from publisher.wire.event import decode_event

pytestmark = pytest.mark.django_db(transaction=True)

EVENT = b'{"specversion":"1.0","id":"e1","source":"/x","type":"t"}'
AGAIN = Received(body=EVENT, routing_key="a", is_suspect=True)


def handling(function=lambda event: None, *, attempts=3, **options):
    policy = Backoff(delays=(1.0,) * (attempts - 1), jitter=0)
    handler = Handler(name="h", function=function, patterns=("#",), retry=policy, **options)
    return Handling(handler, "blog.h", stop=Flag())


def fail(event):
    raise ValueError


def start(count):
    """As processes do that die before the end."""
    for _ in range(count):
        attempts("default").begin("blog.h", decode_event(EVENT))


@pytest.mark.parametrize("options", [{}, {"inbox": False}, {"late_inbox": True}])
def test_count_of_starts_is_gone_when_one_ends(options):
    start(1)
    assert isinstance(handling(**options)(AGAIN), Handled)
    assert not Attempt.objects.exists()
    assert InboxEvent.objects.count() == options.get("inbox", True)


@pytest.mark.parametrize(("attempts", "started"), [(1, 0), (2, 0), (3, 1), (5, 3)])
def test_event_is_handled_when_not_all_its_starts_are_used_up(attempts, started):
    start(started)
    assert isinstance(handling(attempts=attempts)(AGAIN), Handled)


@pytest.mark.parametrize(("attempts", "started"), [(1, 1), (2, 1), (3, 2), (5, 4)])
def test_event_is_a_dead_letter_when_its_starts_are_used_up(attempts, started):
    start(started)
    result = handling(attempts=attempts)(AGAIN)
    assert isinstance(result, Dead)
    assert (result.reason, result.headers["x-attempts"]) == ("crashed", started + 1)
    assert not Attempt.objects.exists()


@pytest.mark.parametrize(("attempts", "started"), [(1, 0), (2, 0), (3, 1), (5, 1), (5, 9)])
def test_event_is_called_alone_when_it_did_not_end_a_start_or_has_no_other_left(attempts, started):
    start(started)
    assert handling(attempts=attempts).beside_others(AGAIN) == Dangerous()


def test_start_is_not_counted_when_the_event_waits_to_be_alone():
    start(1)
    handling().beside_others(AGAIN)
    assert Attempt.objects.get().count == 1


@pytest.mark.parametrize("attempts", [3, 5])
def test_event_is_called_beside_others_when_nothing_speaks_against_it(attempts):
    assert isinstance(handling(attempts=attempts).beside_others(AGAIN), Handled)


def test_batch_handler_gets_an_event_that_comes_back_by_itself():
    calls = []
    assert isinstance(handling(calls.append, batch=10)(AGAIN), Handled)
    assert [[event.id for event in events] for events in calls] == [["e1"]]


def test_batch_handlers_report_is_heeded_when_an_event_comes_back():
    def report(events):
        raise BatchFailed({events[0].id: ValueError("no")})

    result = handling(report, batch=10)(AGAIN)
    assert isinstance(result, Failed)
    assert result.exception == "builtins.ValueError"
    assert not InboxEvent.objects.exists()


def test_failure_ends_a_start_when_the_event_waits_in_a_queue():
    result = handling(fail)(AGAIN)
    assert isinstance(result, Failed)
    assert result.received.attempt == 1
    assert not Attempt.objects.exists()


def test_ordered_event_has_all_its_attempts_when_it_only_waited_behind_another():
    ordered = handling(fail, ordered=True, attempts=2)
    result = ordered(AGAIN)
    assert isinstance(result, Failed)
    assert result.received.attempt == 1
    result = ordered(AGAIN)
    assert isinstance(result, Dead)
    assert (result.reason, result.headers["x-attempts"]) == ("failed", 2)


def test_ordered_event_has_crashed_when_it_failed_once_and_then_ended_its_processes():
    ordered = handling(fail, ordered=True)
    assert isinstance(ordered(replace(AGAIN, is_suspect=False)), Failed)
    start(2)
    result = ordered(AGAIN)
    assert isinstance(result, Dead)
    assert (result.reason, result.headers["x-attempts"]) == ("crashed", 3)


def test_ordered_event_goes_on_counting_when_another_process_gets_it():
    ordered = handling(fail, ordered=True)
    for attempt in (1, 2):
        result = ordered(AGAIN)
        assert isinstance(result, Failed)
        assert result.received.attempt == attempt
    result = ordered(AGAIN)
    assert isinstance(result, Dead)
    assert result.reason == "failed"
    assert not Attempt.objects.exists()


def test_ordered_events_attempts_are_known_to_the_next_process():
    first, third = handling(fail, ordered=True, attempts=4), Received(body=EVENT, routing_key="a", attempt=3)
    assert [first(replace(third, attempt=n)).received.attempt for n in (1, 2, 3)] == [1, 2, 3]
    result = handling(fail, ordered=True, attempts=4)(AGAIN)
    assert (type(result), result.headers["x-attempts"]) == (Dead, 4)
    assert not Attempt.objects.exists()


@pytest.mark.parametrize("options", [{}, {"inbox": False}])
def test_note_of_an_ordered_events_attempts_is_gone_when_one_succeeds(options):
    received = Received(body=EVENT, routing_key="a", attempt=2)
    assert isinstance(handling(fail, ordered=True, **options)(received), Failed)
    assert Attempt.objects.exists()
    assert isinstance(handling(ordered=True, **options)(replace(received, attempt=3)), Handled)
    assert not Attempt.objects.exists()


def test_ordered_event_that_failed_in_good_order_is_not_called_alone():
    ordered = handling(fail, ordered=True, attempts=9)
    for attempt in range(1, 6):
        result = ordered.beside_others(AGAIN)
        assert isinstance(result, Failed)
        assert result.received.attempt == attempt
    # A process died of this one.
    start(1)
    assert ordered.beside_others(AGAIN) == Dangerous()


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])
def test_noted_attempts_take_the_place_of_what_was_counted(stage):
    printed = stage.python(f"""
from consumers.querysets import attempts
from publisher.wire.event import decode_event
rows, of = attempts("default"), ("blog.h", decode_event({EVENT!r}))
rows.note(*of, 2)
print(rows.begun(*of), rows.unended(*of), rows.begin(*of), rows.unended(*of))
rows.note(*of, 5)
print(rows.begun(*of), rows.unended(*of), rows.count())
rows.end(*of)
print(rows.count())
""")
    assert printed.split() == ["2", "0", "3", "1", "5", "0", "1", "0"]


STILL_AT_IT = f"""
import json, os
from threading import Event as Flag, Thread
from django.db import connection
from consumers.handling.handling import Handling
from consumers.models import Attempt
from consumers.handling.received import Received
from consumers.handler import Handler
begun, end, calls, results = Flag(), Flag(), [], []
def slow(event):
    calls.append(event)
    begun.set()
    end.wait()
ordered = "ORDERED" in os.environ
# Those of two processes.
made = dict(name="h", function=slow, patterns=("#",), ordered=ordered)
handling, another = (Handling(Handler(**made), "blog.h", stop=Flag()) for _ in range(2))
body = {EVENT!r}
def handle(is_suspect, call):
    if not is_suspect:
        name = "lock_timeout" if connection.vendor == "postgresql" else "SESSION innodb_lock_wait_timeout"
        connection.cursor().execute(f"SET {{name}} = {{1000 if connection.vendor == 'postgresql' else 1}}")
    result = call(Received(body=body, routing_key="a", is_suspect=is_suspect))
    results.append([type(result).__name__, getattr(result, "event", None), Attempt.objects.count()])
    connection.close()
first = Thread(target=handling.beside_others, args=[Received(body=body, routing_key="a")])
first.start()
begun.wait()
for is_suspect, call in ((True, another.beside_others), (True, another.alone), (False, another.beside_others)):
    again = Thread(target=handle, args=[is_suspect, call])
    again.start()
    again.join(10)
end.set()
first.join()
handle(True, another.beside_others)
print(json.dumps([len(calls), *results]))
"""


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_event_that_another_process_is_still_at_is_neither_called_nor_counted_nor_failed(stage, ordered):
    """Whoever waits for it does so for a moment, and not in a thread that others need, nor as an attempt."""
    printed = json.loads(stage.python(STILL_AT_IT, **({"ORDERED": "1"} if ordered else {})))
    assert printed == [1, *[["AtAnother", None, 0]] * 3, ["Handled", None, 0]]


ENDED_MEANWHILE = """
from threading import Event as Flag
from django.db import connection
from consumers.handling.lock_waits import brief_lock_waits
from django.db import transaction
name = "lock_timeout" if connection.vendor == "postgresql" else "innodb_lock_wait_timeout"
def waits():
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}" if connection.vendor == "postgresql" else f"SELECT @@SESSION.{name}")
        return str(cursor.fetchone()[0])
connection.cursor().execute(f"SET SESSION {name} = 33")
with transaction.atomic(), brief_lock_waits("default"):
    print(waits())
print(waits())
"""


@pytest.mark.parametrize(("engine", "brief", "usual"), [("postgres", "500ms", "33ms"), ("mariadb", "1", "33")])
def test_projects_own_lock_timeout_holds_again_afterwards(stage, brief, usual):
    assert stage.python(ENDED_MEANWHILE).split() == [brief, usual]
