"""Events through a real Celery worker, on the same broker."""

import json
from types import SimpleNamespace

import pika
import pytest

from publisher.wire.topology import retry_exchange, return_exchange
from tests.stage import eventually

pytest.importorskip("celery")

from celery import Celery
from kombu import pools

from consumers.contrib import celery as contrib

WORKER = (
    "-m", "celery", "-A", "tests.bar.celery_app", "worker", "--pool=solo", "--loglevel=INFO",
    "--without-gossip", "--without-mingle", "--without-heartbeat",
)  # fmt: skip


@pytest.fixture
def celery(stage, queues):
    """A worker that has begun; its queues go with the test."""
    stage.celery = stage.start(*WORKER)
    eventually(lambda: " ready." in stage.celery.log.read_text() or stage.celery.poll() is not None)
    yield stage
    stage.celery.kill()  # an idle one takes ten seconds to notice that it is to end
    stage.celery.wait()
    for name in ("celery", "look", "look.dead", "title", "title.dead", "looks", "looks.dead"):
        queues.delete(name)


def test_events_become_tasks_by_a_step_of_the_worker_and_by_a_handler(celery, queues):
    queues.event("t.one", {"n": 1})
    celery.python("from tests.foo.models import Article\nArticle.objects.create(title='one')")
    celery.manage("relay", "--once")
    handler = celery.start("consume", "looks", TEST_HANDLERS="tests.bar.celery_app")
    eventually(lambda: "consuming" in handler.log.read_text())
    queues.event("u.two", {"n": 2})

    eventually(lambda: len(celery.seen()) == 3)
    assert {(name, text) for name, text, _ in celery.seen()} == {
        ("look", "t.one 1 True"), ("look", "u.two 2 True"), ("title", f"one {celery.celery.pid}"),
    }  # fmt: skip
    assert [queues.count(name) for name in ("look", "title", "looks", "celery")] == [0, 0, 0, 0]

    queues.publish("t.bad", b"no event")
    (letter,) = eventually(lambda: queues.peek("look.dead"))
    assert letter.body == b"no event"
    assert celery.celery.poll() is None


@pytest.fixture
def step(bridge, queues):
    """A step without a worker around it: `take` hands it one event, `later` is what it wants to be called again."""
    app = Celery("step", broker=bridge["BROKER_URL"], set_as_current=False)
    app.conf.task_default_queue = queues.name("celery")

    @app.task(name="t.enqueue")
    def task(event):
        raise AssertionError

    later = []
    timer = SimpleNamespace(call_after=lambda seconds, function, args: later.append((seconds, function, args)))
    step = contrib.events_to(task, "t.#")(SimpleNamespace(timer=timer))
    with app.connection_for_read() as connection:
        (consumer,) = step.get_consumers(connection.channel())
        step.later, step.take, step.waiting = later, lambda: connection.drain_events(timeout=5), Waiting(queues)
        with consumer:
            yield step
    pools.reset()
    for name in ("enqueue", "enqueue.dead", "celery"):
        queues.delete(name)


class Waiting:
    """The queue between two attempts."""

    def __init__(self, queues):
        self.name, self.channel = retry_exchange(queues.exchange, 10), queues.channel

    def take(self):
        method, properties, body = self.channel.basic_get(self.name, auto_ack=True)
        return method and SimpleNamespace(properties=properties, body=body)


def refuse(*args):
    raise OSError("nobody there")


def enqueued(queues):
    return [json.loads(letter.body)[0][0]["routing_key"] for letter in queues.take("celery")]


def test_event_waits_and_comes_again_under_its_own_key_when_its_task_cannot_be_enqueued(step, queues, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(contrib, "send", refuse)
        id = queues.event("t.one", {})
        step.take()
    waiting = eventually(step.waiting.take)
    assert (json.loads(waiting.body)["id"], waiting.properties.message_id) == (id, id)
    assert (waiting.properties.headers["x-routing-key"], waiting.properties.delivery_mode) == ("t.one", 2)
    back = pika.BasicProperties(headers=waiting.properties.headers)
    queues.channel.basic_publish(return_exchange(queues.exchange), queues.name("enqueue"), waiting.body, back)
    step.take()
    assert eventually(lambda: enqueued(queues)) == ["t.one"]
    assert (queues.count("enqueue"), queues.count("enqueue.dead"), step.later) == (0, 0, [])


def test_event_is_kept_and_tried_again_later_when_it_cannot_wait_in_the_broker_either(step, queues, monkeypatch):
    queues.channel.queue_delete(step.waiting.name)
    with monkeypatch.context() as broken:
        broken.setattr(contrib, "send", refuse)
        queues.event("t.one", {})
        step.take()
    ((seconds, again, args),) = step.later
    assert seconds == 10
    again(*args)
    assert eventually(lambda: enqueued(queues)) == ["t.one"]


def test_event_is_not_tried_again_when_its_connection_is_lost(step):
    """The broker has given it to another: there is nothing here to acknowledge."""
    step.again(SimpleNamespace(channel=SimpleNamespace(connection=None)))
