"""Which container is the checkout's own, told by a `docker` that starts nothing and remembers what it was told."""

import sys

import pytest

from tools.broker import compose

DOCKER = """\
#!{python}
import sys
from pathlib import Path

words = sys.argv[2:]
name = words[1] if words[0] == "--project-name" else "signal-bridge"
command, *_ = words[2:] if words[0] == "--project-name" else words
container = Path({directory!r}) / name
if command == "up":
    container.touch()
elif command in ("stop", "down"):
    container.unlink()
elif container.exists():
    print({{"ps": "rabbitmq", "port": "127.0.0.1:5700"}}[command])
"""


@pytest.fixture(autouse=True)
def docker(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER.format(python=sys.executable, directory=str(tmp_path)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(compose.amqp, "responds", lambda *args: True)


@pytest.fixture
def be_in(tmp_path, monkeypatch):
    """In a checkout of that name."""

    def go(name):
        checkout = tmp_path / name
        checkout.mkdir(exist_ok=True)
        monkeypatch.setattr(compose, "CHECKOUT", checkout)

    return go


def test_broker_in_docker_is_used_again_when_the_checkout_started_it(be_in):
    be_in("one")

    assert compose.ensure() == compose.running() == (5700, 5700)


def test_broker_in_docker_is_not_used_when_another_checkout_started_it(be_in):
    be_in("other")
    compose.ensure()
    be_in("one")

    assert compose.running() is None


@pytest.mark.parametrize("end", ["stop", "reset"])
def test_broker_in_docker_is_let_run_when_another_checkout_started_it(be_in, end):
    be_in("other")
    compose.ensure()
    be_in("one")

    assert not getattr(compose, end)()

    be_in("other")
    assert compose.running()


@pytest.mark.parametrize("end", ["stop", "reset"])
def test_broker_in_docker_ends_when_the_checkout_started_it(be_in, end):
    be_in("one")
    compose.ensure()

    assert getattr(compose, end)()
    assert compose.running() is None
