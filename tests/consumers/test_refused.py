"""A queue that is full and refuses: what is for it waits, and its handler is not called again meanwhile."""

from contextlib import closing

import pytest
from pika.exceptions import NackError

from tests.queues import Queues
from tests.stage import eventually


@pytest.fixture
def full(broker, names):
    """A policy under which a queue takes one message and refuses the next; `end()` ends it."""
    if broker.ctl is None:
        pytest.skip("the broker is somebody else's")
    policy = names["SERVICE"]
    begun = []

    def begin(queue):
        begun.append(queue)
        broker.ctl(
            "set_policy", "--apply-to", "queues", policy, f"^{queue}$", '{"max-length":1,"overflow":"reject-publish"}'
        )

    def end():
        if begun:
            broker.ctl("clear_policy", policy)
            begun.clear()

    begin.end = end
    yield begin
    end()


def refuses(queues, handler):
    """Whether a queue takes no more; it gets one message until then."""
    channel = queues.connection.channel()
    channel.confirm_delivery()
    try:
        channel.basic_publish("", queues.name(handler), b"{}", mandatory=True)
    except NackError:
        return True
    finally:
        channel.close()
    return False


def test_full_dead_letter_queue_is_waited_for_and_the_handler_is_called_once(stage, queues, full):
    stage.env |= {"TEST_HANDLERS": "tests.bar.faulty"}
    stage.manage("topology", "--declare")
    full(queues.name("rejected.dead"))
    # A policy holds a moment after it was set.
    eventually(lambda: refuses(queues, "rejected.dead"))
    there = queues.count("rejected.dead")
    worker = stage.start("consume", "rejected", "flaky")
    eventually(lambda: "consuming" in worker.log.read_text())
    for n in range(6):
        queues.event("t.reject", {"n": n})
    said = eventually(lambda: [line for line in worker.log.read_text().splitlines() if "refused" in line], seconds=15)
    assert queues.name("rejected") in said[0]
    with pytest.raises(AssertionError):
        eventually(lambda: "connection lost" in worker.log.read_text(), seconds=4)
    assert worker.log.read_text().count("dead event=") == 6
    full.end()
    eventually(lambda: queues.count("rejected.dead") == there + 6)
    assert worker.log.read_text().count("dead event=") == 6
    worker.terminate()
    assert worker.wait(10) == 0
    assert queues.count("rejected") == 0


def test_event_that_is_larger_than_the_broker_takes_now_is_a_dead_letter_and_the_connection_stays(
    stage, names, strict_node
):
    stage.env |= {"TEST_HANDLERS": "tests.bar.faulty", "BROKER_URL": strict_node.url}
    stage.manage("topology", "--declare")
    # A channel keeps the limit that it was opened under.
    strict_node.ctl("eval", "application:set_env(rabbit, max_message_size, 200000).")
    with closing(Queues(strict_node.url, names)) as queues:
        strict_node.ctl("eval", "application:set_env(rabbit, max_message_size, 65536).")
        queues.event("t.reject", {"n": "x" * 100_000})
        queues.event("t.reject", {"n": 1})
        worker = stage.start("consume", "rejected")
        # The small one's copy may be on its way when the large one is refused, and is sent again then.
        eventually(lambda: {len(letter.body) > 65_536 for letter in queues.peek("rejected.dead")} == {True, False})
        assert "bytes are more than the broker takes" in worker.log.read_text()
        assert "connection lost" not in worker.log.read_text()
        assert queues.count("rejected") == 0
        worker.terminate()
        worker.wait(10)
        replayed = stage.manage("deadletters", "replay", "--all", "--handler", "rejected", check=False)
        assert (replayed.returncode, "Traceback" in replayed.stderr) == (1, False)
        assert "1 stay: the broker did not take them" in replayed.stderr
        assert {len(letter.body) > 65_536 for letter in queues.peek("rejected.dead")} == {True}
        assert {len(letter.body) > 65_536 for letter in queues.take("rejected")} == {False}
