"""A question to a handler in another process, over a real broker."""

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from consumers.handler import Handler, triggers_of
from publisher.wire.asking import Answerer, Asker, Question, answer_to
from publisher.wire.connection import Connection
from publisher.wire.intake import Intake
from publisher.wire.topology import answering
from tests.foo.signals import user_login
from tests.stage import eventually

# Enough to connect and ask in, not to be answered in.
QUICK_SECONDS = 2.0
SIGNAL = "tests.away.signals.order_will_be_placed"
CODE = """
import json, time
from concurrent.futures import ThreadPoolExecutor
from publisher.counters import counts
from tests.away.signals import order_will_be_placed
def ask(order):
    began = time.monotonic()
    ((_, response),) = order_will_be_placed.send(sender=None, order=order)
    return [str(response) if isinstance(response, dict) else response, time.monotonic() - began]
answers = list(ThreadPoolExecutor({at_once}).map(ask, {orders!r}))
print(json.dumps([answers, {{what.removeprefix("asked: "): number for (what, _), number in counts().items()}}]))
"""


@pytest.fixture
def asking(stage, queues):
    """A stage whose web process asks; `ask` gives (answer, seconds) of each order, and what was counted."""
    stage.env |= {"TEST_HANDLERS": "tests.away.asked", "TEST_NOTES": str(stage.folder / "notes")}

    def ask(*orders, timeout=10, at_once=1):
        rule = {"signal": SIGNAL, "delivery": "ask", "timeout": timeout, "on_timeout": "default"}
        return json.loads(stage.python(CODE.format(orders=orders, at_once=at_once), TEST_FORWARD=json.dumps([rule])))

    def answer(*arguments, handlers=("may_place",)):
        worker = stage.start("consume", *handlers, *arguments)
        eventually(lambda: "answering queues" in worker.log.read_text())
        return worker

    def notes():
        path = stage.folder / "notes"
        return path.read_text().splitlines() if path.exists() else []

    stage.ask, stage.answer, stage.notes = ask, answer, notes
    yield stage
    queues.delete("may_place")
    queues.channel.exchange_delete(f"{queues.exchange}.ask")


def test_answer_is_the_receivers_response(asking):
    worker = asking.answer()
    answers, counted = asking.ask("good", "bad", "price")
    assert [answer for answer, _ in answers] == [True, False, f"{{'price': Decimal('9.90'), 'pid': {worker.pid}}}"]
    assert counted == {"answered": 3}
    assert worker.log.read_text().count("answered event=") == 3
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0


def test_default_is_given_at_once_when_the_handler_has_no_answer(asking):
    worker = asking.answer()
    answers, counted = asking.ask("raise", "exit", "object", "good")
    assert [answer for answer, _ in answers] == ["default", "default", "default", True]
    assert max(seconds for _, seconds in answers) < 10
    assert counted == {"failed": 3, "answered": 1}
    for name in ("builtins.ValueError", "builtins.SystemExit", "publisher.wire.errors.NotEncodable"):
        assert "ask failed event=" in worker.log.read_text()
        assert name in worker.log.read_text()
    assert worker.poll() is None


def test_answer_that_the_broker_does_not_take_is_a_failure_and_the_worker_goes_on(asking, strict_node):
    asking.env["BROKER_URL"] = strict_node.url
    worker = asking.answer()
    answers, counted = asking.ask("huge", "good", "huge", "good")
    assert [answer for answer, _ in answers] == ["default", True, "default", True]
    assert max(seconds for _, seconds in answers) < 10
    assert counted == {"failed": 2, "answered": 2}
    assert worker.log.read_text().count("answer too large") == 2
    assert worker.poll() is None


def test_answers_beside_one_that_is_too_large_arrive(strict_node, names):
    answers = {}
    with Connection(strict_node.url, "test") as connection:
        connection.declare(answering(names["EXCHANGE"], names["SERVICE"], ["#"]))
        asked, answerer = [], Answerer(connection)
        Intake(connection, asked.append).consume(names["SERVICE"], 10)
        asker = Asker(connection, f"{names['EXCHANGE']}.ask", on_answer=answers.__setitem__, on_unroutable=print)
        question = Question(id="", type="t", routing_key="t", body=b"{}", service="test", deadline_ms=0)
        asker.ask(question._replace(id=str(n)) for n in range(5))
        connection.wait_for(lambda: len(asked) == 5)
        bodies = [b"x" * (70_000 if n in (1, 3) else 1) for n in range(5)]
        answerer.answer([answer_to(delivery, body) for delivery, body in zip(asked, bodies, strict=True)])
        connection.wait_for(lambda: answerer.check() or len(answers) == 5)
    assert [len(answers[str(n)]) == 1 for n in range(5)] == [True, False, True, False, True]
    assert b"larger than the broker takes" in answers["1"]


def test_default_is_given_when_the_time_is_over(asking):
    worker = asking.answer("--threads", "1")
    ((answer, seconds),), counted = asking.ask("slow", timeout=0.5)
    assert (answer, counted) == ("default", {"late": 1})
    assert 0.5 <= seconds < 8
    worker.kill()


def test_handler_is_asked_no_more_questions_at_once_than_its_concurrency(asking):
    asking.env["TEST_CONCURRENCY"] = "2"
    asking.answer("--threads", "4")
    answers, counted = asking.ask(*["counted"] * 8, timeout=20, at_once=8)
    assert ([answer for answer, _ in answers], counted) == ([True] * 8, {"answered": 8})
    assert {note for note in asking.notes() if note.endswith("at once")} == {"1 at once", "2 at once"}


def test_old_question_is_not_asked_any_more(asking):
    worker = asking.answer()
    worker.send_signal(signal.SIGSTOP)
    _, counted = asking.ask("good", "bad", timeout=QUICK_SECONDS)
    assert counted == {"late": 2}
    time.sleep(0.2)
    worker.send_signal(signal.SIGCONT)
    eventually(lambda: worker.log.read_text().count("the question is too old") == 2)
    assert asking.notes() == []


def test_question_that_kills_its_process_is_answered_by_the_next_with_a_failure(asking):
    workers = [asking.answer(), asking.answer()]
    _, counted = asking.ask("kill", timeout=20)
    assert counted == {"failed": 1}
    assert asking.notes() == ["asked kill"], "and kills nobody else"
    assert sorted(worker.poll() or 0 for worker in workers) == [-signal.SIGKILL, 0]


def test_question_that_was_not_begun_at_a_deploy_is_answered_by_the_next_process(asking, queues):
    worker = asking.answer("--threads", "1")
    with ThreadPoolExecutor() as web:
        asked = web.submit(asking.ask, *["rather slow"] * 3, timeout=30, at_once=3)
        eventually(lambda: asking.notes() == ["asked rather slow"])
        time.sleep(0.5)  # the others are on their way
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10) == 0
        assert queues.count("may_place") == 2
        asking.answer()
        assert asked.result()[1] == {"answered": 3}
    assert asking.notes() == ["asked rather slow"] * 3


def test_busy_handler_of_another_kind_keeps_no_answer_waiting(asking, queues):
    worker = asking.answer("--threads", "1", handlers=("may_place", "busy"))
    eventually(lambda: "consuming queues" in worker.log.read_text())
    queues.event("t.busy", {})
    eventually(lambda: "busy" in asking.notes())
    assert asking.ask("good", timeout=30)[1] == {"answered": 1}
    worker.kill()
    queues.delete("busy")
    queues.delete("busy.dead")


def test_queue_of_a_question_forgets_and_nobody_else_is_asked(asking, queues):
    queues.bind("audit", "#")
    worker = asking.answer()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    asking.ask("good", timeout=QUICK_SECONDS)
    assert queues.count("may_place") == 1
    assert queues.count("audit") == 0
    (letter,) = queues.take("may_place")
    event = json.loads(letter.body)
    assert (event["type"], event["data"]["kwargs"]) == (SIGNAL, {"order": "good"})
    assert letter.properties.reply_to.startswith("amq.rabbitmq.reply-to.")
    assert letter.properties.delivery_mode == 1
    assert 0 < letter.headers["x-deadline"] / 1000 <= time.time()
    queues.delete("audit")


def test_event_that_nobody_waits_for_is_not_handled(asking, queues):
    worker = asking.answer()
    queues.channel.basic_publish("", queues.name("may_place"), b"{}")
    eventually(lambda: "the message is no question" in worker.log.read_text())
    assert asking.ask("good")[1] == {"answered": 1}


def test_consume_until_empty_ends_when_all_it_does_is_answer(asking):
    assert asking.manage("consume", "may_place", "--until-empty").returncode == 0


def test_exit_code_is_78_when_its_queue_is_another(asking, queues):
    queues.channel.queue_declare(queues.name("may_place"), durable=True, arguments={"x-queue-type": "quorum"})
    done = asking.manage("consume", "may_place", check=False)
    assert done.returncode == 78
    assert "may_place" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("more", [{"ordered": True}, {"patterns": ("#",)}, {"batch": 2}], ids=repr)
def test_asked_handler_has_no_order_no_batch_and_no_patterns(more):
    with pytest.raises(ValueError, match="answers one signal at a time"):
        Handler(**{"name": "x", "function": print, "triggers": triggers_of((user_login,)), "ask": True, **more})
