"""Retries, crashes, order and batches: with a real broker, a real database and processes that really die."""

import json
import signal
import time

import pytest

from tests.stage import eventually

ENGINES = pytest.mark.parametrize("engine", ["sqlite", "postgres", "mariadb"])


@pytest.fixture
def faulty(stage):
    """A stage with the faulty handlers; `consume` starts a worker of some of them, once it has declared their queues.

    Not of all: to declare twice twenty queues takes the broker longer than most tests.
    """
    stage.env |= {"TEST_HANDLERS": "tests.bar.faulty", "TEST_NOTES": str(stage.folder / "notes")}

    def consume(*arguments):
        worker = stage.start("consume", *arguments)
        eventually(lambda: "consuming" in worker.log.read_text() or worker.poll() is not None)
        return worker

    def notes():
        path = stage.folder / "notes"
        return path.read_text().splitlines() if path.exists() else []

    def declare(*handlers):
        stage.manage("consume", *handlers, "--until-empty")

    stage.consume, stage.declare, stage.notes = consume, declare, notes
    return stage


def letters(stage, handler):
    return json.loads(stage.manage("deadletters", "list", "--handler", handler, "--format", "json").stdout)


def buried(stage, queues, handler, seconds=20):
    """The one dead letter of a handler, once it is there: to look into the queue is cheaper than to run the command."""
    eventually(lambda: queues.count(f"{handler}.dead"), seconds)
    (letter,) = letters(stage, handler)
    return letter


def texts(stage, handler):
    return [text for _, text, _ in stage.seen(handler)]


@ENGINES
def test_event_that_comes_twice_is_handled_once(faulty, queues):
    worker = faulty.consume("plain")
    for _ in range(3):
        queues.event("t.plain", {"n": 1}, id="same")
    queues.event("t.plain", {"n": 2})
    eventually(lambda: {"1", "2"} <= set(texts(faulty, "plain")))
    eventually(lambda: worker.log.read_text().count("handled before") == 2)
    # What was begun is ended, what was not goes back.
    worker.terminate()
    assert worker.wait(20) == 0
    assert (sorted(texts(faulty, "plain")), queues.count("plain")) == (["1", "2"], 0)


@pytest.mark.parametrize("engine", ["postgres"])  # SQLite has one writer at a time
def test_slow_handler_has_no_more_threads_than_its_concurrency_and_others_do_not_wait_for_it(faulty, queues):
    faulty.declare("few", "plain")
    for n in range(8):
        queues.event("t.few", {"n": n})
    queues.event("t.plain", {"n": "quick"})
    faulty.consume("few", "plain", "--threads", "4")
    eventually(lambda: len(texts(faulty, "few")) == 8 and texts(faulty, "plain"))
    assert {int(calls) for calls in texts(faulty, "few")} == {1, 2}
    assert [handler for handler, *_ in faulty.seen()].index("plain") < 4


def test_batch_handler_has_no_more_batches_at_a_time_than_its_concurrency_when_some_are_small(faulty, queues):
    faulty.declare("one_batch")
    for n in range(3):
        queues.event("t.one_batch", {"n": n})
    faulty.consume("one_batch", "--threads", "8")
    # Those that come one by one while a batch runs are the next batch.
    for n in range(3, 6):
        eventually(lambda: faulty.notes())
        queues.event("t.one_batch", {"n": n})
        time.sleep(0.12)
    eventually(lambda: faulty.notes().count("batch 1") == 6)
    assert faulty.notes().count("batch 3") == 2
    assert {note for note in faulty.notes() if note.endswith("at once")} == {"1 at once"}


@pytest.mark.parametrize("engine", ["postgres"])  # SQLite has one writer at a time
def test_handler_has_as_many_calls_as_before_when_the_connection_was_lost_during_some(faulty, queues, late_broker):
    late_broker.open()
    faulty.declare("few", "free")
    worker = faulty.start("consume", "few", "free", "--threads", "2", BROKER_URL=late_broker.url)
    queues.event("t.free", {"seconds": 6})
    eventually(lambda: faulty.notes() == ["free"])
    # One has the other thread, and one waits for a thread.
    for _ in range(8):
        queues.event("t.few", {"seconds": 1})
    eventually(lambda: texts(faulty, "few"))
    late_broker.close()
    eventually(lambda: "connection lost" in worker.log.read_text())
    late_broker.open()
    eventually(lambda: len(texts(faulty, "few")) == 8, seconds=30)
    assert set(texts(faulty, "few")) == {"1", "2"}


@pytest.mark.parametrize("engine", ["postgres"])  # SQLite has one writer at a time
def test_copies_that_come_again_are_acknowledged_when_one_of_them_is_handled(faulty, queues):
    worker = faulty.consume("long")
    queues.event("t.long", {"n": 1, "seconds": 2}, id="same")
    eventually(lambda: faulty.notes() == ["long"])
    # Another consumer takes some of the copies, and gives them back: the worker is told that they come again.
    other = queues.channel.consume(queues.name("long"), inactivity_timeout=0.2)
    next(other)
    for _ in range(4):
        queues.event("t.long", {"n": 1, "seconds": 2}, id="same")
    method, *_ = next(other)
    queues.channel.basic_nack(method.delivery_tag)
    queues.channel.cancel()
    eventually(lambda: texts(faulty, "long") == ["1"])
    # Those that came again while it was handled wait for a moment, and not in a thread.
    eventually(lambda: worker.log.read_text().count("handled before") == 4)
    worker.terminate()
    assert worker.wait(15) == 0
    assert "did not end" not in worker.log.read_text()
    assert queues.count("long") == 0


@pytest.mark.parametrize("engine", ["postgres"])  # SQLite has one writer at a time
def test_copy_that_was_published_again_keeps_no_thread_while_the_first_one_is_handled(faulty, queues):
    """As a relay does that lost its connection. Nothing marks it: it is no redelivery."""
    worker = faulty.consume("long", "plain", "--threads", "2")
    for _ in range(2):
        queues.event("t.long", {"n": 1, "seconds": 6}, id="same")
    eventually(lambda: "it is being handled already" in worker.log.read_text())
    queues.event("t.plain", {"n": 2})
    eventually(lambda: faulty.seen(), 5)
    assert texts(faulty, "%") == ["2"]
    eventually(lambda: "handled before event=same" in worker.log.read_text())
    assert texts(faulty, "long") == ["1"]


@ENGINES
def test_failing_handler_is_tried_again_and_its_writes_happen_once(faulty, queues):
    faulty.consume("flaky")
    queues.event("t.flaky", {"n": 1, "failures": 2})
    queues.event("t.flaky", {"n": 2})
    eventually(lambda: sorted(texts(faulty, "flaky")) == ["1", "2"])
    assert faulty.notes().count("flaky 1") == 3
    assert letters(faulty, "flaky") == []


def test_handler_that_always_fails_leaves_a_letter_with_its_history(faulty, queues):
    faulty.consume("flaky")
    event = queues.event("t.flaky", {"n": 1, "failures": 9})
    letter = buried(faulty, queues, "flaky")
    assert (letter["id"], letter["reason"], letter["attempts"]) == (event, "failed", 3)
    assert letter["exception"] == "builtins.ConnectionError"
    assert letter["first_failed_at"] < letter["last_failed_at"]
    assert letter["where"].rpartition("/")[2].startswith("faulty.py:")
    assert texts(faulty, "flaky") == []


def test_retry_after_and_the_key_survive_the_wait(faulty, queues):
    faulty.consume("later")
    queues.event("t.later", {})
    eventually(lambda: texts(faulty, "later") == ["t.later"])


def test_permanent_exception_is_not_tried_again(faulty, queues):
    faulty.consume("typed")
    queues.event("t.typed", {})
    letter = buried(faulty, queues, "typed")
    assert (letter["reason"], letter["attempts"]) == ("permanent", 1)
    assert faulty.notes() == ["typed"]


def consume_until_letter(stage, queues, handler):
    """Start a worker again each time it dies, until there is a dead letter."""
    for _ in range(8):
        worker = stage.running[-1]
        eventually(lambda worker=worker: worker.poll() or queues.count(f"{handler}.dead"))
        if worker.poll() is None:
            break
        assert worker.returncode == -signal.SIGKILL
        stage.consume(handler, "--threads", "2")
    return buried(stage, queues, handler)


AWAY = """
import sys, django
django.setup()
from consumers.handling import patience
from django.core.management import execute_from_command_line
patience.trouble_with = lambda models, using: "it is away"
execute_from_command_line(["manage.py", "consume", *sys.argv[1:]])
"""


def test_outage_in_which_the_process_is_told_to_end_counts_as_no_death(faulty, queues):
    faulty.declare("away")
    queues.event("t.away", {"n": 1})
    # Nobody knows what became of it.
    queues.come_back("away", 1)
    for round in range(1, 4):
        worker = faulty.start("-c", AWAY, "away", TEST_AWAY="1")
        eventually(lambda round=round: faulty.notes().count("away") == round)
        eventually(lambda worker=worker: "waiting for the database" in worker.log.read_text())
        worker.terminate()
        assert worker.wait(10) == 0
        eventually(lambda: queues.count("away") == 1)
    faulty.consume("away")
    eventually(lambda: texts(faulty, "away") == ["1"])
    assert faulty.notes().count("away") == 4


@ENGINES
def test_event_that_kills_its_process_ends_in_the_letters_and_its_neighbours_do_not(faulty, queues):
    faulty.declare("killer")
    queues.event("t.killer", {"n": "good 0"})
    queues.event("t.killer", {"n": "bad", "kill": True})
    for n in range(1, 6):
        queues.event("t.killer", {"n": f"good {n}"})
    faulty.consume("killer", "--processes", "1", "--threads", "2")
    assert consume_until_letter(faulty, queues, "killer")["reason"] == "crashed"
    eventually(lambda: sorted(texts(faulty, "killer")) == [f"good {n}" for n in range(6)])
    assert faulty.database.value("SELECT count(*) FROM consumers_attempt") == 0


def test_event_that_kills_the_process_of_a_batch_handler_ends_in_the_letters(faulty, queues):
    faulty.declare("together")
    for n in range(6):
        queues.event("t.batch", {"n": n, "kill": n == 3})
    faulty.consume("together", "--threads", "2")
    assert consume_until_letter(faulty, queues, "together")["reason"] == "crashed"
    eventually(lambda: sorted(texts(faulty, "batch")) == ["0", "1", "2", "4", "5"])


def test_supervisor_starts_a_dead_worker_again_and_ends_with_its_children(faulty, queues):
    supervisor = faulty.consume("killer", "--processes", "2", "--threads", "1")
    eventually(lambda: supervisor.log.read_text().count("consuming") == 2)
    queues.event("t.killer", {"n": "bad", "kill": True})
    letter = buried(faulty, queues, "killer", seconds=30)
    assert letter["reason"] == "crashed"
    assert "again in" in supervisor.log.read_text()
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(15) == 0


@ENGINES
def test_ordered_handler_keeps_the_order_of_each_key_across_retries(faulty, queues):
    faulty.declare("ordered")
    for n in range(5):
        queues.event("t.ordered", {"n": n, "failures": 2 if n == 1 else 0}, partitionkey="a")
        queues.event("t.ordered", {"n": n}, partitionkey="b")
    faulty.consume("ordered", "--threads", "4")
    eventually(lambda: len(texts(faulty, "ordered")) == 10)
    seen = texts(faulty, "ordered")
    assert [text for text in seen if text.startswith("a")] == [f"a {n}" for n in range(5)]
    assert [text for text in seen if text.startswith("b")] == [f"b {n}" for n in range(5)]
    assert seen.index("b 4") < seen.index("a 1"), "a failed event holds back its own key only"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_ordered_handler_keeps_the_order_when_another_process_takes_over(faulty, queues, end):
    faulty.declare("ordered")
    count = 150
    for n in range(count):
        for key in "ab":
            queues.event("t.ordered", {"n": n, "failures": n % 10 == 9}, partitionkey=key)
    workers = [faulty.consume("ordered", "--threads", "3")]
    for round in range(1, 4):
        workers.append(faulty.consume("ordered", "--threads", "3"))
        eventually(lambda round=round: len(texts(faulty, "ordered")) > 40 * round)
        workers[-2].send_signal(end)
    eventually(lambda: len(texts(faulty, "ordered")) >= 2 * count, seconds=60)
    assert [worker.wait(15) for worker in workers[:-1]] == [0 if end == signal.SIGTERM else -end] * 3
    seen = texts(faulty, "ordered")
    assert [text for text in seen if text.startswith("a")] == [f"a {n}" for n in range(count)]
    assert [text for text in seen if text.startswith("b")] == [f"b {n}" for n in range(count)]


def test_ordered_queue_stays_with_its_process_when_its_handler_is_paused(faulty, queues):
    worker = faulty.consume("ordered")
    standby = faulty.consume("ordered")
    for n in range(100):
        queues.event("t.ordered", {"n": n, "failures": 9}, partitionkey=str(n))
    eventually(lambda: "paused queue" in worker.log.read_text())
    count = len(faulty.notes())
    with pytest.raises(AssertionError):
        eventually(lambda: "attempt=" in standby.log.read_text(), seconds=2)
    assert len(faulty.notes()) <= count + 4


def test_dead_letter_of_an_ordered_handler_lets_its_key_go_on(faulty, queues):
    faulty.declare("ordered")
    for n in range(3):
        queues.event("t.ordered", {"n": n, "failures": 9 if n == 0 else 0}, partitionkey="a")
    faulty.consume("ordered")
    eventually(lambda: texts(faulty, "ordered") == ["a 1", "a 2"])
    assert letters(faulty, "ordered")[0]["attempts"] == 3


@pytest.mark.parametrize(
    ("handler", "key", "name", "count"), [("once", "t.once", "once", 120), ("together", "t.batch", "batch", 600)]
)
def test_deploy_costs_nothing_when_whatever_comes_again_would_be_handled_apart(
    faulty, queues, handler, key, name, count
):
    faulty.declare(handler)
    for n in range(count):
        queues.event(key, {"n": n})
    first = faulty.consume(handler, "--threads", "1", "--prefetch", str(count))
    eventually(lambda: texts(faulty, name))
    first.terminate()
    assert first.wait(20) == 0
    assert len(texts(faulty, name)) < count
    second = faulty.consume(handler, "--threads", "1")
    eventually(lambda: len(texts(faulty, name)) >= count)
    assert sorted(map(int, texts(faulty, name))) == list(range(count))
    assert "alone" not in second.log.read_text()
    assert "batch 1" not in faulty.notes()


@ENGINES
def test_batch_is_handled_together_and_its_bad_events_by_themselves(faulty, queues):
    faulty.declare("together")
    for n in range(25):
        queues.event("t.batch", {"n": n, "bad": n == 7})
    faulty.consume("together")
    letter = buried(faulty, queues, "together")
    assert letter["text"] == "bad one"
    eventually(lambda: len(texts(faulty, "batch")) >= 25)
    counts = {text: texts(faulty, "batch").count(text) for text in texts(faulty, "batch")}
    assert {counts[str(n)] for n in range(25) if n != 7} == {1}
    assert "batch 10" in faulty.notes()


def test_event_that_raises_in_a_batch_is_buried_alone(faulty, queues):
    faulty.declare("together")
    for n in range(10):
        queues.event("t.batch", {"n": n, "poison": n == 3})
    faulty.consume("together")
    assert buried(faulty, queues, "together")["text"] == "poison"
    eventually(lambda: sorted(map(int, texts(faulty, "batch"))) == [0, 1, 2, 4, 5, 6, 7, 8, 9])


@ENGINES
def test_async_handler_writes_in_its_transaction(faulty, queues):
    faulty.consume("asynchronous")
    queues.event("t.async", {"n": 1, "failures": 1})
    queues.event("t.async", {"n": 2})
    eventually(lambda: sorted(texts(faulty, "async")) == ["1", "2"])
    assert faulty.notes().count("async 1") == 2


def test_subscription_pauses_when_nearly_all_of_its_attempts_fail_and_others_go_on(faulty, queues):
    worker = faulty.consume("typed", "plain")
    for n in range(25):
        queues.event("t.typed", {"n": n})
    eventually(lambda: "paused queue=" in worker.log.read_text())
    for n in range(5):
        queues.event("t.typed", {"n": n})
        queues.event("t.plain", {"n": n})
    eventually(lambda: len(texts(faulty, "plain")) == 5)
    assert queues.count("typed") >= 5


def test_slow_handler_is_warned_of_and_ended_at_its_hard_limit(faulty, queues):
    worker = faulty.consume("slow")
    queues.event("t.slow", {})
    letter = buried(faulty, queues, "slow")
    assert letter["exception"] == "consumers.exceptions.HandlerTooSlow"
    assert "slow handler=slow" in worker.log.read_text()


def test_call_that_no_hard_limit_can_end_is_told_of(faulty, queues):
    worker = faulty.consume("stuck", "--grace", "1")
    queues.event("t.stuck", {})
    eventually(lambda: "stuck handler=stuck event=" in worker.log.read_text())
    assert "give it a timeout" in worker.log.read_text()
    worker.terminate()
    assert worker.wait(10) == 0


def test_threads_that_an_async_handler_started_are_not_waited_for_beyond_the_grace_period(faulty, queues):
    worker = faulty.consume("threaded", "--grace", "1")
    queues.event("t.threaded", {})
    eventually(lambda: faulty.notes() == ["threaded"])
    worker.terminate()
    assert worker.wait(8) == 0
    assert "1 handlers did not end within 1 seconds" in worker.log.read_text()
    assert eventually(lambda: queues.count("threaded") == 1)


def test_processes_that_a_handler_started_are_not_waited_for_beyond_the_grace_period(faulty, queues):
    worker = faulty.consume("forking", "--grace", "1")
    queues.event("t.forking", {})
    eventually(lambda: faulty.notes() == ["forking"])
    worker.terminate()
    assert worker.wait(8) == 0
    assert "processes that handlers started: Process-1" in worker.log.read_text()


def test_threads_of_handlers_are_not_waited_for_either_when_the_broker_refuses_what_the_worker_asks(faulty, queues):
    worker = faulty.consume("threaded", "--grace", "1")
    queues.event("t.threaded", {})
    eventually(lambda: faulty.notes() == ["threaded"])
    queues.delete("threaded")
    queues.channel.queue_declare(queues.name("threaded"), durable=True)
    assert worker.wait(8) == 78
    queues.delete("threaded")


def test_long_handler_is_not_to_blame_for_the_ends_of_its_processes(faulty, queues):
    """It was called once too often by each deploy, then alone, and then it was a dead letter, `crashed`."""
    faulty.declare("long")
    event = {"n": 1, "seconds": 30}
    queues.event("t.long", event)
    for calls in range(1, 6):
        worker = faulty.consume("long", "--grace", "0.2")
        eventually(lambda calls=calls: faulty.notes() == ["long"] * calls)
        worker.terminate()
        assert worker.wait(10) == 0
        assert eventually(lambda: queues.count("long") == 1)
        assert "alone handler" not in worker.log.read_text()
    assert queues.count("long.dead") == 0


def test_long_handler_is_not_to_blame_either_when_its_connection_was_lost_meanwhile(faulty, queues, late_broker):
    late_broker.open()
    worker = faulty.start("consume", "long", "--grace", "0.2", BROKER_URL=late_broker.url)
    eventually(lambda: "consuming" in worker.log.read_text())
    queues.event("t.long", {"n": 1, "seconds": 30})
    eventually(lambda: faulty.notes() == ["long"])
    late_broker.close()
    eventually(lambda: queues.count("long") == 1)
    late_broker.open()
    # It has come again, and waits for what becomes of the call.
    eventually(lambda: worker.log.read_text().count("consuming") == 2 and queues.count("long") == 0)
    time.sleep(0.5)
    worker.terminate()
    assert worker.wait(10) == 0
    assert "1 handlers did not end within 0.2 seconds" in worker.log.read_text()
    eventually(lambda: queues.count("long") == 1)
    method, *_ = queues.channel.basic_get(queues.name("long"))
    assert not method.redelivered


def test_letters_are_replayed_one_by_one_rehearsed_and_discarded(faulty, queues):
    worker = faulty.consume("flaky")
    first, second, third = (queues.event("t.flaky", {"n": n, "failures": 3}) for n in range(3))
    eventually(lambda: queues.count("flaky.dead") == 3)
    assert "Dead letters, by reason: 3" in faulty.manage("deadletters", "list", "--handler", "flaky").stdout
    assert '"event"' in faulty.manage("deadletters", "show", first, "--handler", "flaky").stdout

    rehearsal = faulty.manage("deadletters", "replay", first, "--rehearse", "--handler", "flaky").stdout
    assert "succeeds" in rehearsal
    assert "bar_seen" in rehearsal
    assert "not undone" in rehearsal
    assert texts(faulty, "flaky") == []
    assert len(letters(faulty, "flaky")) == 3

    faulty.manage("deadletters", "replay", first, "--handler", "flaky")
    eventually(lambda: texts(faulty, "flaky") == ["0"])
    assert {letter["id"] for letter in letters(faulty, "flaky")} == {second, third}

    faulty.manage("deadletters", "discard", second, "--handler", "flaky")
    assert [letter["id"] for letter in letters(faulty, "flaky")] == [third]
    unknown = faulty.manage("deadletters", "replay", "nope", "--handler", "flaky", check=False)
    assert (unknown.returncode, "No such dead letter: nope" in unknown.stderr) == (1, True)
    faulty.manage("deadletters", "replay", "--all", "--handler", "flaky")
    eventually(lambda: texts(faulty, "flaky") == ["0", "2"])
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0


@pytest.mark.parametrize("number", range(2))
def test_nothing_is_lost_or_done_twice_when_terminated_under_load(faulty, queues, number):
    faulty.declare("plain")
    for n in range(200):
        queues.event("t.plain", {"n": n})
    for _ in range(3):
        worker = faulty.consume("plain")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(15) == 0, worker.log.read_text()
    faulty.manage("consume", "plain", "--until-empty")
    assert sorted(map(int, texts(faulty, "plain"))) == list(range(200))


def test_consume_until_empty_says_how_many_events_wait_for_their_next_attempt(faulty, queues):
    faulty.declare("later")
    queues.event("t.later", {"n": 1, "after": 60})
    ended = faulty.manage("consume", "later", "--until-empty")
    assert "not waited for: events=1 between two attempts, of any handler" in ended.stderr
