"""One pair of connections' worth of consuming, over a real broker."""

from contextlib import closing
from threading import Event as Flag

from consumers import Backoff
from consumers.bindings import queue_of, topology_of
from consumers.handler import Handler
from consumers.handling.handling import Handling
from consumers.worker.pool import Pool
from consumers.worker.session import Session
from consumers.worker.subscription import Subscription
from publisher.wire.connection import Connection
from publisher.wire.loop import Loop


def test_dead_letter_is_there_once_when_it_is_confirmed_while_the_session_stops_taking(bridge, queues):
    def fails(event):
        raise OSError

    handler = Handler(name="fails", function=fails, patterns=("t.fails",), retry=Backoff(delays=()))
    queue, url = queue_of(handler), bridge["BROKER_URL"]
    with closing(Loop()) as loop, Connection(url, "in", loop) as inward, Connection(url, "out", loop) as outward:
        inward.declare(topology_of([handler]))
        pool = Pool(1, loop.wake)
        subscription = Subscription(Handling(handler, queue, stop=Flag(), has_database=False))
        session = Session(inward, outward, pool, {queue: subscription}, lambda queue: 10, lambda: None)
        queues.event("t.fails", {})
        while not session._outlet.in_flight:
            session._turn(0.1)
        cancel = session.intake.cancel

        def cancel_slowly(queues):
            cancel(queues)
            inward.wait_for(lambda: not session._outlet._sender.in_flight)

        session.intake.cancel = cancel_slowly
        session.drain(5)
        pool.close(5)
    assert (queues.count("fails"), queues.count("fails.dead")) == (0, 1)
    queues.delete("fails")
    queues.delete("fails.dead")
