"""A connection to a real broker, and to what is none."""

import socket
import struct
import threading
import time
from urllib.parse import urlsplit

import pytest
from pika import frame, spec

from publisher.wire.connection import MISSING, PRESENT, Connection
from publisher.wire.errors import BrokerRefused, BrokerUnavailable
from publisher.wire.loop import Loop
from publisher.wire.topology import Binding, Exchange, Queue, Topology, subscription
from publisher.wire.url import HEARTBEAT_SECONDS, address_of, parameters_of

PASSWORD = "planted-pass"


def with_changes(url, **changes):
    """The same URL with another user, password, host, port or vhost."""
    parts = urlsplit(url)
    given = {
        "user": parts.username, "password": parts.password, "host": parts.hostname, "port": parts.port,
        "vhost": parts.path.removeprefix("/"), **changes,
    }  # fmt: skip
    return "amqp://{user}:{password}@{host}:{port}/{vhost}".format(**given)


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def connection(broker_url):
    with Connection(broker_url, "test") as connection:
        yield connection


@pytest.fixture
def made(connection, names):
    """Topologies declared here are deleted afterwards."""
    topologies = []

    def declare(topology):
        topologies.append(topology)
        connection.declare(topology)

    yield declare
    channel = connection.open_channel()
    for topology in topologies:
        for queue in topology.queues:
            channel.queue_delete(queue.name)
        for exchange in topology.exchanges:
            channel.exchange_delete(exchange.name)
    channel.close()
    connection.wait_for(lambda: channel.is_closed)


def test_connection_is_open_until_closed(broker_url):
    with Connection(broker_url, "test") as connection:
        assert connection.is_open
    assert not connection.is_open


def test_close_does_nothing_when_closed_before(broker_url):
    loop = Loop()
    connection = Connection(broker_url, "test", loop)
    connection.close()
    connection.close()
    loop.close()


def test_broker_that_never_greets_is_given_up_and_its_socket_closed(monkeypatch):
    monkeypatch.setattr("publisher.wire.connecting.OPEN_SECONDS", 0.5)
    loop = Loop()
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(BrokerUnavailable, match=r"no answer from .* within 0\.5 seconds"):
            Connection(f"amqp://guest:guest@127.0.0.1:{server.getsockname()[1]}/", "test", loop)
        loop.poll(0)
        accepted, _ = server.accept()
        with accepted:
            accepted.settimeout(5)
            assert accepted.recv(1024).startswith(b"AMQP")
            assert accepted.recv(1024) == b""
    loop.close()


def test_broker_refuses_when_the_password_is_wrong(broker_url):
    with pytest.raises(BrokerRefused, match="refused the user or its password: look at BROKER_URL") as caught:
        Connection(with_changes(broker_url, password=PASSWORD), "test")
    assert PASSWORD not in str(caught.value)
    assert urlsplit(broker_url).hostname in str(caught.value)


def test_limit_of_connections_that_is_reached_is_waited_for(strict_node):
    strict_node.ctl("add_user", "many", "demo")
    strict_node.ctl("set_permissions", "many", ".*", ".*", ".*")
    strict_node.ctl("set_user_limits", "many", '{"max-connections": 1}')
    url = strict_node.url.replace("//guest:guest@", "//many:demo@")
    with Connection(url, "test"), pytest.raises(BrokerUnavailable, match=r"takes no more connections now.*limit"):
        Connection(url, "test")


def test_broker_refuses_when_there_is_no_such_vhost(broker_url):
    with pytest.raises(BrokerRefused, match="nowhere"):
        Connection(with_changes(broker_url, vhost="nowhere"), "test")


GREETING = (
    spec.Connection.Start(version_major=0, version_minor=9, server_properties={}, mechanisms="PLAIN", locales="en_US"),
    spec.Connection.Tune(channel_max=2047, frame_max=131072, heartbeat=60),
)


@pytest.mark.parametrize(
    "said",
    [
        (), GREETING[:1], GREETING, (*GREETING, spec.Connection.Close(320, "CONNECTION_FORCED", 0, 0)),
        (*GREETING, spec.Connection.Close(541, "INTERNAL_ERROR - vhost is down", 0, 0)),
    ],
    ids=["nothing", "start", "tune", "shutdown", "vhost down"],
)  # fmt: skip
def test_broker_is_unavailable_and_refuses_nobody_when_it_ends_while_a_connection_is_opened(said):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            client, _ = server.accept()
            with client:
                client.recv(1000)
                for method in said:
                    client.sendall(frame.Method(0, method).marshal())
                    client.recv(1000)

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(BrokerUnavailable):
            Connection(f"amqp://127.0.0.1:{server.getsockname()[1]}/%2F", "test")
        thread.join(5)


@pytest.mark.parametrize("said", [(), GREETING[:1], GREETING], ids=["nothing", "start", "tune"])
def test_broker_ended_the_connection_in_whatever_way_the_socket_tells(said):
    """It resets what it did not read, as a broker that is killed does."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            client, _ = server.accept()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with client:
                client.recv(1000)
                for method in said:
                    client.sendall(frame.Method(0, method).marshal())
                    client.recv(1000)

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(BrokerUnavailable, match="is not there: the other side closed the connection"):
            Connection(f"amqp://127.0.0.1:{server.getsockname()[1]}/%2F", "test")
        thread.join(5)


def test_broker_is_unavailable_at_once_when_the_port_is_closed():
    port, began = closed_port(), time.monotonic()
    with pytest.raises(BrokerUnavailable, match=f"127.0.0.1:{port} .*refused") as caught:
        Connection(f"amqp://user:{PASSWORD}@127.0.0.1:{port}/%2F", "test")
    assert time.monotonic() - began < 5
    assert PASSWORD not in str(caught.value)


def host_of(url):
    return urlsplit(url).netloc.rpartition("@")[2]


def with_hosts(url, *hosts):
    return url.replace(host_of(url), ",".join(hosts))


def test_connection_is_to_the_first_host_that_answers(broker_url):
    there, away = host_of(broker_url), f"127.0.0.1:{closed_port()}"
    for hosts in ((away, there), (there, away)):
        with Connection(with_hosts(broker_url, *hosts), "test") as connection:
            assert connection.address == address_of(broker_url)


def test_host_that_says_nothing_has_its_share_of_the_time(broker_url, monkeypatch):
    monkeypatch.setattr("publisher.wire.connecting.OPEN_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url, began = (
            with_hosts(broker_url, f"127.0.0.1:{silent.getsockname()[1]}", host_of(broker_url)),
            time.monotonic(),
        )
        with Connection(url, "test") as connection:
            assert connection.address == address_of(broker_url)
    assert time.monotonic() - began >= 1


def test_all_hosts_that_are_away_are_named():
    hosts = [f"127.0.0.1:{closed_port()}" for _ in range(2)]
    with pytest.raises(BrokerUnavailable) as caught:
        Connection(with_hosts(f"amqp://user:{PASSWORD}@host/", *hosts), "test")
    assert all(host in str(caught.value) for host in hosts)
    assert PASSWORD not in str(caught.value)


def test_next_host_is_not_asked_where_the_first_refuses(broker_url):
    url = with_hosts(with_changes(broker_url, password="wrong"), host_of(broker_url), f"127.0.0.1:{closed_port()}")
    with pytest.raises(BrokerRefused, match="refused the user"):
        Connection(url, "test")


def test_broker_is_unavailable_when_the_host_has_no_address():
    with pytest.raises(BrokerUnavailable) as caught:
        Connection(f"amqp://user:{PASSWORD}@no-such-host.invalid/%2F", "test")
    assert PASSWORD not in str(caught.value)


def test_broker_is_unavailable_when_another_protocol_answers():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            client, _ = server.accept()
            with client:
                client.recv(100)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(BrokerUnavailable):
            Connection(f"amqp://127.0.0.1:{server.getsockname()[1]}/%2F", "test")
        thread.join(5)


def test_port_of_tls_is_asked_for_when_this_one_speaks_none(broker_url):
    with pytest.raises(BrokerUnavailable, match="it speaks no TLS: write amqp://"):
        Connection(broker_url.replace("amqp://", "amqps://"), "test")


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{PASSWORD}@host/",
        f"amqp://user:{PASSWORD}@host:port/%2F",
        f"amqp://user:{PASSWORD}@host:99999/%2F",
        f"amqp://user:{PASSWORD}/a@host/%2F",
        f"amqp://user:{PASSWORD}@[host/%2F",
        f"{PASSWORD}",
        "",
    ],
)
def test_broker_refuses_and_keeps_the_password_when_the_url_is_none(url):
    with pytest.raises(BrokerRefused, match="BROKER_URL is not an AMQP URL") as caught:
        Connection(url, "test")
    assert PASSWORD not in str(caught.value)


def test_broker_refuses_and_says_why_when_the_files_of_tls_are_not_there():
    with pytest.raises(BrokerRefused, match=r"ssl_options names cannot be used: No such file.*ca_certs") as caught:
        Connection(f"amqps://user:{PASSWORD}@host/?ssl_options={{'ca_certs': '/no/such.pem'}}", "test")
    assert PASSWORD not in str(caught.value)


def test_two_slashes_are_the_vhost_that_is_one():
    assert parameters_of("amqp://h//", "test").virtual_host == "/"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (f"amqp://user:{PASSWORD}@broker:5673/%2F", "broker:5673 vhost=/"),
        (f"amqp://user:{PASSWORD}@broker/blog", "broker:5672 vhost=blog"),
        ("amqp://", "localhost:5672 vhost=/"),
        (f"amqp://user:{PASSWORD}@broker//", "broker:5672 vhost=/"),
        (f"amqps://user:{PASSWORD}@broker/", "broker:5671 vhost=/"),
    ],
)
def test_address_names_host_port_and_vhost_alone(url, address):
    assert address_of(url) == address


def test_heartbeat_in_the_url_holds_and_timeouts_there_do_not():
    named, default = (parameters_of(f"amqp://h/%2F{more}", "test") for more in ("?heartbeat=7&socket_timeout=3", ""))
    assert (named.heartbeat, default.heartbeat) == (7, HEARTBEAT_SECONDS)
    assert named.socket_timeout == default.socket_timeout


def test_option_that_pika_would_refuse_is_named_when_a_connection_is_made():
    with pytest.raises(BrokerRefused, match=r"BROKER_URL has an option 'heartbeat' .* from 0 to 65535"):
        parameters_of("amqp://h/?heartbeat=-1", "test")


@pytest.mark.parametrize(
    "options",
    [
        "heartbeat=0&channel_max=8&frame_max=4096&connection_attempts=1&retry_delay=0",
        "heartbeat=65535&channel_max=65535&frame_max=131072&blocked_connection_timeout=0&socket_timeout=0.1&stack_timeout=1",
        "ssl_options=None&tcp_options=None&client_properties=None&locale=en_US",
    ],
)
def test_pika_takes_what_is_said_to_be_right(options):
    assert parameters_of(f"amqp://h/?{options}", "test").host == "h"


def test_declare_makes_it_and_does_nothing_when_it_is_there(connection, made, names):
    topology = subscription(names["EXCHANGE"], f"{names['SERVICE']}.a", ("db.#",))
    for exchange in topology.exchanges:
        assert connection.state_of_exchange(exchange) == MISSING
    assert connection.count_messages(f"{names['SERVICE']}.a") is None
    made(topology)
    connection.declare(topology)
    assert {connection.state_of_exchange(exchange) for exchange in topology.exchanges} == {PRESENT}
    assert {connection.state_of_queue(queue) for queue in topology.queues} == {PRESENT}
    assert connection.count_messages(f"{names['SERVICE']}.a") == 0


def test_declare_says_what_differs_when_a_queue_has_other_arguments(broker_url, connection, made, names):
    name = f"{names['SERVICE']}.a"
    made(Topology(queues=(Queue(name=name, arguments={"x-queue-type": "quorum", "x-delivery-limit": 3}),)))
    other = Queue(name=name, arguments={"x-queue-type": "quorum", "x-delivery-limit": 4})
    state = connection.state_of_queue(other)
    assert "inequivalent arg 'x-delivery-limit'" in state
    assert connection.is_open
    with (
        Connection(broker_url, "test") as second,
        pytest.raises(
            BrokerRefused,
            match=f"406: .*'x-delivery-limit' for queue '{name}'.*; it was declared with other options",
        ),
    ):
        second.declare(Topology(queues=(other,)))


def test_declare_says_what_differs_when_an_exchange_is_of_another_type(broker_url, connection, made, names):
    made(Topology(exchanges=(Exchange(name=names["EXCHANGE"], kind="direct"),)))
    other = Exchange(name=names["EXCHANGE"], kind="topic")
    assert "inequivalent arg 'type'" in connection.state_of_exchange(other)
    with Connection(broker_url, "test") as second, pytest.raises(BrokerRefused, match="inequivalent arg 'type'"):
        second.declare(Topology(exchanges=(other,)))


def test_declare_may_be_tried_again_when_what_it_binds_to_is_gone(broker_url, names):
    binding = Binding(exchange=names["EXCHANGE"], queue=names["SERVICE"], key="#")
    with Connection(broker_url, "test") as connection, pytest.raises(BrokerUnavailable, match="is gone: NOT_FOUND"):
        connection.declare(Topology(bindings=(binding,)))


def test_poll_ends_when_another_thread_wakes_it(connection):
    timer = threading.Timer(0.1, connection.loop.wake)
    timer.start()
    began = time.monotonic()
    connection.poll(10)
    assert time.monotonic() - began < 5
    timer.join()


def test_wait_gives_up_when_it_takes_too_long(connection):
    with pytest.raises(BrokerUnavailable, match=r"within 0\.1 seconds"):
        connection.wait_for(lambda: False, 0.1)


def test_two_connections_share_a_loop_when_given_one(broker_url):
    loop = Loop()
    first, second = Connection(broker_url, "test", loop), Connection(broker_url, "test", loop)
    first.close()
    assert second.is_open
    assert second.count_messages("no.such.queue") is None
    second.close()
    loop.close()
