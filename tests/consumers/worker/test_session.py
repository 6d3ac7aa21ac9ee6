"""One pair of connections' worth of consuming, over a real broker."""

import time
from contextlib import closing, contextmanager
from threading import Event as Flag

import pytest

from consumers import Backoff
from consumers.bindings import queue_of, topology_of
from consumers.handler import Handler
from consumers.handling.handling import Handling
from consumers.handling.patience import GivingBack
from consumers.worker.drain import drain
from consumers.worker.pool import Pool
from consumers.worker.session import Session
from consumers.worker.subscription import Subscription
from publisher.wire.connection import Connection
from publisher.wire.loop import Loop
from tests.stage import eventually


@contextmanager
def session_of(function, bridge):
    """Over connections of its own; its handler is called `h`, and has one attempt."""
    handler = Handler(name="h", function=function, patterns=("t.h",), retry=Backoff(delays=()))
    queue, url = queue_of(handler), bridge["BROKER_URL"]
    with closing(Loop()) as loop, Connection(url, "in", loop) as inward, Connection(url, "out", loop) as outward:
        inward.declare(topology_of([handler]))
        pool = Pool(1, loop.wake)
        subscription = Subscription(Handling(handler, queue, stop=Flag(), has_database=False))
        yield Session(inward, outward, pool, {queue: subscription}, lambda queue: 10, lambda: None)
        pool.close(5)


@pytest.fixture
def queues(queues):
    yield queues
    queues.delete("h")
    queues.delete("h.dead")


def test_dead_letter_is_there_once_when_it_is_confirmed_while_the_session_stops_taking(bridge, queues):
    def fails(event):
        raise OSError

    with session_of(fails, bridge) as session:
        queues.event("t.h", {})
        while not session.outlet.in_flight:
            session.turn(0.1)
        cancel = session.intake.cancel

        def cancel_slowly(queues):
            cancel(queues)
            session.inward.wait_for(lambda: not session.outlet._sender.in_flight)

        session.intake.cancel = cancel_slowly
        drain(session, 5)
    assert (queues.count("h"), queues.count("h.dead")) == (0, 1)


def test_event_that_goes_back_as_new_does_not_come_to_the_same_process_before_that_ends(bridge, queues):
    calls = []

    def is_told_to_end(event):
        calls.append(event)
        raise GivingBack

    with session_of(is_told_to_end, bridge) as session:
        queues.event("t.h", {})
        until = time.monotonic() + 2
        while time.monotonic() < until:
            session.turn(0.1)
        drain(session, 5)
    assert len(calls) == 1
    eventually(lambda: queues.count("h") == 1)
    method, *_ = queues.channel.basic_get(queues.name("h"))
    assert not method.redelivered
