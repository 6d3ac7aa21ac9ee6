"""The private node when it crashes, hangs and is stopped. Each start takes seconds, so all share one."""

import socket
import time

import pika
import psutil
import pytest

from tests import services
from tests.stage import eventually
from tools.broker.node import Node
from tools.errors import StartError
from tools.ports import HOST, is_free

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def shared_node(tmp_path_factory):
    try:
        # A space in the path, and a configuration line of our own.
        directory = tmp_path_factory.mktemp("a node")
        with services.node(directory, config=("heartbeat = 7",)) as node:
            yield node
    except services.Unavailable as exc:
        services.give_up(exc)


@pytest.fixture
def node(shared_node):
    shared_node.ensure()
    return shared_node


def test_node_is_configured_when_lines_are_given(node):
    assert node.ctl("environment").count("{heartbeat,7}") == 1


def test_node_keeps_ports_and_messages_when_it_crashes(node):
    url, queue = node.url, "kept"
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.confirm_delivery()
        channel.basic_publish("", queue, b"a message", pika.BasicProperties(delivery_mode=2), mandatory=True)

    # RabbitMQ writes down that a quorum queue is there about a second after it said so: a queue that a
    # crash catches in between never finds a leader again.
    time.sleep(3)
    node.kill()
    assert node.process is None
    node.ensure()

    assert node.url == url
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        assert connection.channel().basic_get(queue, auto_ack=True)[2] == b"a message"


def test_node_is_restarted_when_it_hangs(node):
    before = node.process
    node.pause()
    assert not node.answers()

    node.ensure()

    assert node.answers()
    assert node.process != before
    assert not before.is_alive


def test_node_moves_to_another_port_when_its_own_was_taken(node):
    taken = node.port("amqp")
    node.kill()
    # What died with it may hold the port for a moment longer.
    eventually(lambda: is_free(taken))

    with socket.create_server((HOST, taken)):
        node.ensure()

    assert node.port("amqp") != taken


def test_start_shows_the_last_log_lines_when_the_configuration_is_refused(tmp_path, node):
    broken = Node(tmp_path, server=node.server, config=["no_such_key = 1"])

    with pytest.raises(StartError) as caught:
        broken.ensure()

    assert "no_such_key" in str(caught.value)
    assert "make broker-reset" in str(caught.value)
    broken.stop()


def test_no_process_and_no_port_is_left_when_the_node_stops(node):
    family = node.process.family()
    ports = node.state.ports

    node.stop()

    assert node.process is None
    assert not [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    assert [port for port in ports.values() if not is_free(port)] == []
    assert "epmd" in ports
