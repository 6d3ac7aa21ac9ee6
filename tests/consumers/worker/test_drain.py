"""The end of a session, over a real broker: nothing is lost, doubled or blamed for what it did not do."""

import struct
import time
from contextlib import ExitStack, closing, contextmanager
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
from tests.queues import Queues, Raw, table
from tests.stage import eventually


@contextmanager
def session_of(function, url, *, attempts=1, has_database=False, **options):
    """Over connections of its own; its handler is called `h`, and has one thread."""
    retry = Backoff(delays=(1.0,) * (attempts - 1))
    handler = Handler(name="h", function=function, patterns=("t.h",), retry=retry, inbox=False, **options)
    queue = queue_of(handler)
    with closing(Loop()) as loop, Connection(url, "in", loop) as inward, Connection(url, "out", loop) as outward:
        inward.declare(topology_of([handler]))
        pool = Pool(1, loop.wake)
        subscription = Subscription(Handling(handler, queue, stop=Flag(), has_database=has_database))
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

    with session_of(fails, bridge["BROKER_URL"]) as session:
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

    with session_of(is_told_to_end, bridge["BROKER_URL"]) as session:
        queues.event("t.h", {})
        until = time.monotonic() + 2
        while time.monotonic() < until:
            session.turn(0.1)
        drain(session, 5)
    assert len(calls) == 1
    eventually(lambda: queues.count("h") == 1)
    method, *_ = queues.channel.basic_get(queues.name("h"))
    assert not method.redelivered


@contextmanager
def busy_session(url, **options):
    """One whose thread is at the first event until this ends."""
    begun, end = Flag(), Flag()

    def blocks(events):
        begun.set()
        end.wait(10)

    with session_of(blocks, url, **options) as session, ExitStack() as ends:
        ends.callback(end.set)
        yield session, begun


def take(session, count):
    while len(session.intake.unacked) < count:
        session.turn(0.1)


def given_out_before(queues):
    """Of what lies in the queue, by the order it comes in: whether the broker says so."""
    gets = iter(lambda: queues.channel.basic_get(queues.name("h"))[0], None)
    return [method.redelivered for method in gets]


APART = pytest.mark.parametrize("options", [{"has_database": True}, {"attempts": 3, "batch": 2}])


@APART
def test_what_was_not_begun_goes_back_as_new_when_its_handler_would_set_it_apart(bridge, queues, options):
    with busy_session(bridge["BROKER_URL"], **options) as (session, begun):
        for n in range(7):
            queues.event("t.h", n)
        take(session, 7)
        assert begun.wait(5)
        drain(session, 0)
    # The ones that run, too, are not to blame.
    assert given_out_before(queues) == [False] * 7


def test_what_was_not_begun_keeps_its_place_when_its_handler_does_not_set_it_apart(bridge, queues):
    with busy_session(bridge["BROKER_URL"], attempts=3, has_database=True) as (session, begun):
        for n in range(4):
            queues.event("t.h", n)
        take(session, 4)
        assert begun.wait(5)
        drain(session, 0)
    # The last one is the one that runs.
    assert given_out_before(queues) == [True, True, True, False]


@APART
def test_suspect_that_was_not_begun_is_a_suspect_still(bridge, queues, options):
    with busy_session(bridge["BROKER_URL"], **options):
        """Its queue is there from now on."""
    for n in range(5):
        queues.event("t.h", n)
    queues.come_back("h", times=1)
    with busy_session(bridge["BROKER_URL"], **options) as (session, _):
        take(session, 5)
        drain(session, 0)
    # One of them may run.
    assert sum(given_out_before(queues)) >= 4


def test_what_cannot_be_read_has_its_reason_still_when_it_was_not_begun(bridge, queues):
    with busy_session(bridge["BROKER_URL"], batch=2) as (session, _):
        in_ages = Raw(table(struct.pack(">3sQ", b"\x01aT", 2**62)))
        queues.channel.basic_publish(queues.exchange, "t.h", queues.body({}, id="e"), in_ages, mandatory=True)
        take(session, 1)
        drain(session, 0)
    with busy_session(bridge["BROKER_URL"], batch=2) as (session, _):
        eventually(lambda: session.turn(0.1) or queues.count("h.dead"))
    (letter,) = queues.take("h.dead")
    assert letter.headers["x-reason"] == "malformed"


@APART
def test_what_was_not_begun_goes_back_at_once_when_the_broker_takes_nothing(bridge, queues, options):
    with busy_session(bridge["BROKER_URL"], **options) as (session, begun):
        for n in range(7):
            queues.event("t.h", n)
        take(session, 7)
        assert begun.wait(5)
        session.outlet._connection.blocked = True
        drain(session, 0)
    assert sorted(given_out_before(queues)) == [False, *[True] * 6] if "batch" not in options else [True] * 7


@APART
def test_what_is_not_begun_and_larger_than_the_broker_takes_now_is_no_dead_letter(
    settings, names, strict_node, options
):
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, **names}
    strict_node.ctl("eval", "application:set_env(rabbit, max_message_size, 200000).")
    with closing(Queues(strict_node.url, names)) as queues:
        strict_node.ctl("eval", "application:set_env(rabbit, max_message_size, 65536).")
        with busy_session(strict_node.url, **options) as (session, begun):
            ids = {queues.event("t.h", data) for data in ("a", "b", "c", "x" * 100_000)}
            take(session, 4)
            assert begun.wait(5)
            drain(session, 0)
        assert queues.count("h.dead") == 0
        # What was on its way beside the large one may have been sent again.
        assert {letter.properties.message_id for letter in queues.take("h")} == ids
