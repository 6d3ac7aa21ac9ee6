"""Which ports a server gets."""

import socket

import pytest

from tools.errors import StartError
from tools.ports import HOST, assign, is_free


@pytest.fixture
def taken_port():
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_is_free_says_no_when_somebody_listens(taken_port):
    assert not is_free(taken_port)


def test_assign_keeps_the_last_ports_when_they_are_free():
    first = assign(["amqp", "management"], fixed={}, last={})

    assert assign(["amqp", "management"], fixed={}, last=first) == first


def test_assign_picks_another_port_when_the_last_one_is_taken(taken_port):
    assert assign(["amqp"], fixed={}, last={"amqp": taken_port})["amqp"] != taken_port


def test_assign_refuses_when_the_configured_port_is_taken(taken_port):
    with pytest.raises(StartError, match=f"amqp port {taken_port} is in use"):
        assign(["amqp"], fixed={"amqp": taken_port}, last={})


def test_assign_prefers_the_configured_port_when_there_is_a_last_one():
    last = assign(["amqp"], fixed={}, last={})
    configured = assign(["amqp"], fixed={}, last={})["amqp"]

    assert assign(["amqp"], fixed={"amqp": configured}, last=last) == {"amqp": configured}
