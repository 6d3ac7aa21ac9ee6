"""`delivery: "ask"`: the answer is the receiver's response, or the default is, in time."""

import json
import os
import threading
import time
from decimal import Decimal

import pika
import pytest
from django.dispatch import receiver

from publisher import ask as asking
from publisher import counters
from publisher.fuse import BLOWS_AFTER, SHORTEST_PAUSE_SECONDS
from tests.foo.models import Article
from tests.foo.signals import article_flagged
from tests.stage import eventually

SIGNAL = "tests.foo.signals.article_flagged"
AWAY = "amqp://guest:guest@127.0.0.1:9/%2F"


class Responder:
    """Somebody who answers, with plain pika; `answer` is called with (channel, properties, event)."""

    def __init__(self, url, exchange, answer):
        self.questions = []
        self.answer = answer
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()
        self.channel.exchange_declare(f"{exchange}.ask", "topic", durable=True)
        queue = self.channel.queue_declare("", exclusive=True).method.queue
        self.channel.queue_bind(queue, f"{exchange}.ask", "#")
        self.channel.basic_consume(queue, self.asked, auto_ack=True)
        self.thread = threading.Thread(target=self.channel.start_consuming)
        self.thread.start()

    def asked(self, channel, method, properties, body):
        self.questions.append((properties, method.routing_key, json.loads(body)))
        if (answer := self.answer(json.loads(body)["data"]["kwargs"])) is not None:
            back = pika.BasicProperties(correlation_id=properties.correlation_id)
            channel.basic_publish("", properties.reply_to, answer, back)

    def close(self):
        self.connection.add_callback_threadsafe(self.channel.stop_consuming)
        self.thread.join(10)
        self.connection.close()


@pytest.fixture
def desk():
    """A process's desk of the test's own."""
    desk = asking.Desk()
    with asking.at_desk(desk):
        yield desk
    desk.close()


@pytest.fixture
def rule(bridge, settings, desk):
    def apply(**more):
        rule = {"signal": SIGNAL, "delivery": "ask", "timeout": 10, "on_timeout": "default", **more}
        settings.SIGNAL_BRIDGE = {**bridge, "FORWARD": [rule]}

    return apply


@pytest.fixture
def responder(broker_url, names, rule):
    """Call it with what answers; the rule is there then."""
    responders = []

    def start(answer, **more):
        rule(**more)
        responders.append(Responder(broker_url, names["EXCHANGE"], answer))
        return responders[-1]

    yield start
    for each in responders:
        each.close()


def flag(**kwargs):
    """The response of the bridge's receiver."""
    return article_flagged.send(sender=None, **kwargs)[-1][1]


def outcomes():
    """What became of the test's questions, and how often."""
    counted = {what: number for (what, about), number in counters.counts().items() if about == SIGNAL}
    return {what.removeprefix("asked: "): number for what, number in counted.items() if what.startswith("asked: ")}


@pytest.mark.django_db
def test_answer_is_the_response_beside_those_of_local_receivers(responder):
    asked = responder(lambda kwargs: b'{"answer": false}')

    @receiver(article_flagged)
    def local(**kwargs):
        return "local"

    try:
        assert [response for _, response in article_flagged.send(sender=Article, n=1)] == [False, "local"]
    finally:
        article_flagged.disconnect(local)
    ((properties, key, event),) = asked.questions
    assert (key, event["type"], event["data"]["kwargs"]) == ("foo.article_flagged.foo.article", SIGNAL, {"n": 1})
    assert (properties.correlation_id, properties.type, properties.content_type) == (
        event["id"], SIGNAL, "application/cloudevents+json",
    )  # fmt: skip
    assert time.time() < properties.headers["x-deadline"] / 1000 < time.time() + 10
    assert outcomes() == {"answered": 1}


def test_answer_has_the_types_that_were_sent(responder):
    answer = {"price": "9.90", "at": [1, 2]}
    types = {"answer.price": "decimal", "answer.at": "tuple"}
    responder(lambda kwargs: json.dumps({"answer": answer, "types": types}).encode())
    assert flag() == {"price": Decimal("9.90"), "at": (1, 2)}


@pytest.mark.parametrize(
    "body", [b'{"error": "ValueError"}', b"no json", b"[]", b'{"answer": "x", "types": {"answer": "decimal"}}', b"\xff"]
)
def test_default_is_given_at_once_when_there_is_no_answer_in_it(responder, body, caplog):
    responder(lambda kwargs: body)
    began = time.monotonic()
    assert flag() == "default"
    assert time.monotonic() - began < 8
    assert outcomes() == {"failed": 1}
    told = "no answer signal=tests.foo.signals.article_flagged reason=failed, answered with on_timeout (1 so far)"
    assert told in caplog.text


def test_default_is_given_at_once_when_nobody_is_there(rule):
    rule()
    began = time.monotonic()
    assert flag() == "default"
    assert time.monotonic() - began < 8
    assert outcomes() == {"unroutable": 1}


def test_default_is_given_when_the_time_is_over_and_a_late_answer_is_dropped(responder):
    asked = responder(lambda kwargs: b'{"answer": true}' if kwargs["n"] != 1 else None, timeout=5)
    assert flag(n=0) is True
    responder(lambda kwargs: None, timeout=0.2)
    began = time.monotonic()
    assert flag(n=1) == "default"
    assert 0.2 <= time.monotonic() - began < 5
    properties, _, _ = asked.questions[-1]
    with pika.BlockingConnection(asked.connection._impl.params) as connection:
        back = pika.BasicProperties(correlation_id=properties.correlation_id)
        connection.channel().basic_publish("", properties.reply_to, b'{"answer": "late"}', back)
    asked.answer = lambda kwargs: b'{"answer": "in time"}'
    assert [flag(n=2) for _ in range(3)] == ["in time"] * 3


def test_questions_are_not_asked_while_nobody_answers_in_time(responder, desk, monkeypatch, caplog):
    silent = responder(lambda kwargs: b'{"answer": true}', timeout=5)
    assert flag() is True
    silent.answer = lambda kwargs: None
    responder(lambda kwargs: None, timeout=0.05)
    began = time.monotonic()
    assert [flag() for _ in range(100)] == ["default"] * 100
    assert time.monotonic() - began < 5
    assert outcomes()["late"] + outcomes()["paused"] == 100
    assert outcomes()["late"] < 2 * BLOWS_AFTER
    assert caplog.text.count("asking paused") == 1
    silent.answer = lambda kwargs: b'{"answer": true}'
    rule = {**desk._fuses}
    eventually(lambda: flag() is True)
    assert not rule[SIGNAL].is_blown


def test_question_is_answered_when_those_of_another_signal_are_paused_meanwhile(responder, desk):
    may_answer = threading.Event()
    asked = responder(lambda kwargs: may_answer.wait(10) and b'{"answer": true}')
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(flag()))
    waiting.start()
    eventually(lambda: asked.questions)
    for _ in range(BLOWS_AFTER):
        desk.ask("id", "another.signal", "key", b'{"data": {"kwargs": {}}}', seconds=0.02, default=None)
    assert desk._fuses["another.signal"].is_blown
    waiting.join(0.2)
    may_answer.set()
    waiting.join()
    assert answers == [True]


def test_default_is_given_in_time_when_the_broker_is_away(rule, settings, bridge):
    rule(timeout=5)
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "BROKER_URL": AWAY}
    began = time.monotonic()
    assert [flag() for _ in range(20)] == ["default"] * 20
    assert time.monotonic() - began < 5
    assert outcomes() == {"away": BLOWS_AFTER, "paused": 20 - BLOWS_AFTER}


def test_default_is_given_when_no_thread_can_be_had(desk, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for _ in range(BLOWS_AFTER + 1):
        assert desk.ask("id", SIGNAL, "key", b"{}", seconds=1, default="default") == "default"


def test_trial_that_fails_begins_the_next_pause_when_no_thread_can_be_had(desk, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for pause in (0, SHORTEST_PAUSE_SECONDS):
        time.sleep(pause)
        for _ in range(BLOWS_AFTER):
            desk.ask("id", SIGNAL, "key", b"{}", seconds=1, default=None)
    assert outcomes() == {"away": BLOWS_AFTER + 1, "paused": BLOWS_AFTER - 1}
    assert desk._fuses[SIGNAL].allows(time.monotonic() + 2 * SHORTEST_PAUSE_SECONDS)


def test_threads_share_a_connection_and_each_gets_its_own_answer(responder):
    asked = responder(lambda kwargs: json.dumps({"answer": kwargs["n"]}).encode())
    answers = {}

    def work(start):
        for n in range(start, start + 25):
            answers[n] = flag(n=n)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 200, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {n: n for n in range(200)}
    assert len({properties.reply_to for properties, _, _ in asked.questions}) == 1


def test_forked_child_has_a_connection_of_its_own(responder, stage):
    asked = responder(lambda kwargs: json.dumps({"answer": kwargs["pid"]}).encode())
    rule = {"signal": SIGNAL, "delivery": "ask", "timeout": 10}
    stage.python(
        """
import os
from tests.foo.signals import article_flagged
def ask():
    pid = os.getpid()
    assert article_flagged.send(sender=None, pid=pid)[-1][1] == pid
ask()
child = os.fork()
for _ in range(20):
    ask()
if child:
    assert os.waitpid(child, 0)[1] == 0
    ask()
""",
        TEST_FORWARD=json.dumps([rule]),
    )
    by_pid = {}
    for properties, _, event in asked.questions:
        by_pid.setdefault(event["data"]["kwargs"]["pid"], set()).add(properties.reply_to)
    assert [len(each) for each in by_pid.values()] == [1, 1]
    assert len(set.union(*by_pid.values())) == 2
    assert os.getpid() not in by_pid


def test_web_process_imports_pika_when_it_first_asks(stage):
    rule = {"signal": SIGNAL, "delivery": "ask", "timeout": 5}
    printed = stage.python(
        """
import sys
from tests.foo.models import Article
from tests.foo.signals import article_flagged
Article.objects.create(title="x")
print("pika" in sys.modules)
article_flagged.send(sender=None)
print("pika" in sys.modules)
""",
        TEST_FORWARD=json.dumps([rule]),
    )
    assert printed.split() == ["False", "True"]


def test_answers_come_again_when_the_broker_does(late_broker, responder, settings, desk):
    responder(lambda kwargs: b'{"answer": true}', timeout=3)
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "BROKER_URL": late_broker.url}
    assert flag() == "default"
    late_broker.open()
    assert flag() is True, "one failure does not keep the next question from being asked"
    late_broker.close()
    began = time.monotonic()
    assert flag() == "default"
    assert time.monotonic() - began < 4
    late_broker.open()
    eventually(lambda: flag() is True)


def test_default_is_given_in_time_when_the_connection_is_dead_and_does_not_say_so(
    late_broker, responder, settings, bridge
):
    responder(lambda kwargs: b'{"answer": true}', timeout=5)
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "BROKER_URL": late_broker.url}
    late_broker.open()
    assert flag() is True
    late_broker.is_deaf = True
    responder(lambda kwargs: None, timeout=0.3)
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "BROKER_URL": late_broker.url}
    began = time.monotonic()
    assert flag() == "default"
    assert 0.3 <= time.monotonic() - began < 5
    # The connection stays dead; another can be had.
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "BROKER_URL": bridge["BROKER_URL"]}
    eventually(lambda: flag() is True)
