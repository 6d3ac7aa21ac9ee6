"""The order in which a broker is looked for."""

import pytest

from tools.broker.choice import Machine, Way, ways


def test_url_alone_counts_when_given():
    machine = Machine(broker_url="amqp://broker", has_docker=True, has_server=True, can_apt=True)

    assert ways(machine) == (Way.URL,)


def test_docker_comes_before_the_installed_server_when_both_are_there():
    assert ways(Machine(has_docker=True, has_server=True)) == (Way.DOCKER, Way.NODE)


def test_installed_server_is_not_installed_again_when_there_is_a_package_manager():
    assert ways(Machine(has_server=True, can_apt=True, can_brew=True)) == (Way.NODE,)


@pytest.mark.parametrize(("offer", "way"), [("can_apt", Way.APT), ("can_brew", Way.BREW)])
def test_package_manager_is_the_last_resort_when_nothing_is_installed(offer, way):
    assert ways(Machine(has_docker=True, **{offer: True})) == (Way.DOCKER, way)


def test_no_way_is_left_when_the_machine_offers_nothing():
    assert ways(Machine()) == ()
