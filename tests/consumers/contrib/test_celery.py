"""Events through a real Celery worker, on the same broker."""

import pytest

from tests.stage import eventually

pytest.importorskip("celery")

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
