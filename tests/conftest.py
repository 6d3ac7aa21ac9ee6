"""A real broker for the tests that need one, names of their own on it, and ears for what must not leave."""

import io
import logging
import os
from contextlib import contextmanager

import pytest

from consumers.bindings import topology_of
from consumers.discovery import discover
from publisher import counters, direct
from publisher.wire.connection import Connection
from publisher.wire.topology import published_to
from tests import leaks, services
from tests.databases import Databases
from tests.names import is_anothers, unique_name
from tests.proxy import Proxy
from tests.queues import Queues
from tests.stage import Stage
from tests.wiretap import Wiretap


@pytest.fixture(scope="session", autouse=True)
def _discovered():
    """A module registers its handlers once: not while some test has put a registry of its own in their place."""
    discover()


@pytest.fixture(scope="session")
def taps():
    """One for each broker of this session, as soon as there is that broker."""
    return []


@pytest.fixture(scope="session")
def broker(taps):
    """The broker of this session; where there can be none the test is skipped, or fails when CI is set."""
    try:
        with services.broker() as service, tapped(service, taps):
            yield service
    except services.Unavailable as exc:
        services.give_up(f"no broker: {exc}")


@contextmanager
def tapped(broker, taps):
    """Hears all that is published there; not where the broker is somebody else's."""
    if broker.ctl is None:
        yield
        return
    # It stays on: others may listen too, and who does not pays next to nothing.
    broker.ctl("trace_on")
    tap = Wiretap(broker.url)
    taps.append(tap)
    try:
        yield
        assert not (left := crossed(tap)), left
    finally:
        taps.remove(tap)
        tap.close()


def crossed(tap):
    """What crossed the wire with a planted word in it; what another session published is told there."""
    before = tap.heard
    told = [leak for leak in tap.leaks() if not is_anothers(f"{leak.exchange} {leak.key}")]
    leaks.counts["messages"] += tap.heard - before
    return [f"published to {leak.exchange!r} as {leak.key!r}: in its {leak.where}" for leak in told]


@pytest.fixture(scope="session")
def log_listener():
    listener = leaks.LogListener()
    logging.root.addHandler(listener)
    yield listener
    logging.root.removeHandler(listener)


@pytest.fixture(autouse=True)
def nothing_planted_leaves(request, taps, log_listener):
    """Neither on the wire nor in what is logged or printed; set up first, so that it looks last."""
    yield
    assert log_listener in logging.root.handlers, "the logs are not listened to any more"
    heard = taps if {"broker", "strict_node"}.intersection(request.fixturenames) else []
    found = [*leaks.taken(), *(leak for tap in heard for leak in crossed(tap))]
    if found:
        pytest.fail("\n".join(["what was planted left:", *found]), pytrace=False)


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["looked_at"] = dict(leaks.counts)
        session.config.workeroutput["brokers"] = sorted(services.used)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Each worker has heard the messages of all."""
    output = getattr(node, "workeroutput", {})
    services.used.update(output.get("brokers", ()))
    its = output.get("looked_at", {})
    messages = max(leaks.counts["messages"], its.get("messages", 0))
    leaks.counts.update(its)
    leaks.counts["messages"] = messages


def pytest_terminal_summary(terminalreporter):
    """That nothing was found is worth as much as there was to hear."""
    looked_at = ", ".join(f"{leaks.counts[what]} {what}" for what in ("messages", "log records", "outputs"))
    terminalreporter.write_sep("-", f"listened for secrets in {looked_at}")
    for address in sorted(services.used):
        terminalreporter.write_line(f"Broker: {address}")
    if os.environ.get("BROKER_URL"):
        terminalreporter.write_line("BROKER_URL: on somebody else's broker no messages can be listened to.")


@pytest.fixture(autouse=True)
def nothing_is_counted_yet():
    """What is counted is logged the first time, and then seldom."""
    counters.reset()


@pytest.fixture(autouse=True)
def nothing_waits_to_be_sent_directly():
    """The thread behind direct delivery outlives its test, and would send to the next one's broker."""
    yield
    if direct._buffer is not None:
        direct.buffer().close()
        direct._forget()


@pytest.fixture(scope="session")
def broker_url(broker):
    return broker.url


@pytest.fixture
def late_broker(broker_url):
    """A broker that is not there, until the test opens the way to it."""
    proxy = Proxy(broker_url)
    yield proxy
    proxy.close()


@pytest.fixture(scope="session")
def strict_node(tmp_path_factory, taps):
    """A node that takes no message over 64 KiB, and waits three seconds for an acknowledgement."""
    config = ("max_message_size = 65536", "consumer_timeout = 3000")
    try:
        with services.node(tmp_path_factory.mktemp("strict"), config=config) as node:
            node.ctl("eval", "application:set_env(rabbit, channel_tick_interval, 500).")
            with tapped(node, taps):
                yield node
    except services.Unavailable as exc:
        services.give_up(exc)


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Commands of this process are asked on one, and what is typed there is this."""
    return lambda text: monkeypatch.setattr("sys.stdin", Terminal(text))


@pytest.fixture
def names():
    """An exchange and a service that no other test uses."""
    unique = unique_name()
    return {"EXCHANGE": unique, "SERVICE": unique}


@pytest.fixture
def bridge(settings, broker_url, names):
    """Settings for a test that talks to the broker in its own process."""
    settings.SIGNAL_BRIDGE = {**settings.SIGNAL_BRIDGE, "BROKER_URL": broker_url, **names}
    yield settings.SIGNAL_BRIDGE
    clean_up(broker_url, topology_of(discover()) + published_to(names["EXCHANGE"]))


def clean_up(broker_url, topology):
    """Delete the exchanges and queues of a test."""
    with Connection(broker_url, "clean-up") as connection:
        channel = connection.open_channel()
        for queue in topology.queues:
            channel.queue_delete(queue.name)
        for exchange in topology.exchanges:
            channel.exchange_delete(exchange.name)
        channel.close()
        connection.wait_for(lambda: channel.is_closed)


@pytest.fixture(scope="session")
def databases(tmp_path_factory, django_db_blocker):
    databases = Databases(tmp_path_factory.mktemp("databases"))
    yield databases
    with django_db_blocker.unblock():
        databases.close()


@pytest.fixture
def engine():
    """Parametrise with `sqlite`, `postgres` or `mariadb` for a stage on another database."""
    return "sqlite"


@pytest.fixture
def stage(tmp_path, databases, engine, bridge, names, django_db_blocker):
    """Processes over a database and names of their own."""
    try:
        with django_db_blocker.unblock(), databases.fresh(engine) as database:
            stage = Stage(tmp_path, database, bridge["BROKER_URL"], names)
            try:
                yield stage
            finally:
                stage.close()
    except services.Unavailable as exc:
        services.give_up(exc)


@pytest.fixture
def queues(bridge, names):
    """The queues of this test, seen from outside with plain pika."""
    queues = Queues(bridge["BROKER_URL"], names)
    yield queues
    queues.close()
