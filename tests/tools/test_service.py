"""The life of a private server, with one that starts in no time."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from tools.errors import StartError
from tools.ports import HOST, is_free
from tools.process import Launch, Process
from tools.service import Service, State

CHECKOUT = Path(__file__).parents[2]


class Greeter(Service):
    name = "greeter"
    port_names = ("greetings",)
    reset_hint = "make reset"
    boot_seconds = 5
    patience_seconds = 0.3
    goes = "up"

    def prepare(self, ports):
        script = str(Path(__file__).with_name("greeter.py"))
        command = [sys.executable, "-IS", script, str(ports["greetings"]), self.goes]
        return Launch(command=command, env=dict(os.environ))

    def responds(self, ports):
        with suppress(OSError), socket.create_connection((HOST, ports["greetings"]), timeout=0.3) as connection:
            return connection.recv(5) == b"hello"
        return False


@pytest.fixture
def greeter(tmp_path):
    service = Greeter(tmp_path / "greeter")
    service.ensure()
    yield service
    service.reset()


def test_server_is_reused_when_it_runs(greeter):
    before = greeter.process

    Greeter(greeter.directory).ensure()

    assert greeter.process == before


def test_server_keeps_its_port_when_it_crashes(greeter):
    before, port = greeter.process, greeter.port("greetings")

    greeter.kill()
    assert greeter.process is None
    greeter.ensure()

    assert greeter.process != before
    assert greeter.port("greetings") == port


def test_server_is_restarted_when_it_hangs(greeter):
    before = greeter.process
    greeter.pause()
    assert not greeter.answers()

    greeter.ensure()

    assert greeter.answers()
    assert not before.is_alive


def test_server_answers_again_when_it_is_resumed(greeter):
    before = greeter.process
    greeter.pause()
    greeter.resume()

    greeter.ensure()

    assert greeter.process == before


def test_booting_server_is_waited_for_when_its_starter_was_interrupted(greeter):
    before = greeter.process
    greeter.state_file.write_bytes(msgspec.json.encode(State(ports=greeter.state.ports, process=before)))

    greeter.ensure()

    assert greeter.process == before


def test_server_moves_to_another_port_when_its_own_was_taken(greeter):
    taken = greeter.port("greetings")
    greeter.kill()

    with socket.create_server((HOST, taken)):
        greeter.ensure()

    assert greeter.port("greetings") != taken


def test_start_leaves_a_stranger_alone_when_the_state_is_stale(greeter):
    greeter.kill()
    stranger = Process.of(os.getpid())
    stale = State(ports=greeter.state.ports, process=Process(pid=stranger.pid, began=1.0), has_booted=True)
    greeter.state_file.write_bytes(msgspec.json.encode(stale))

    greeter.ensure()

    assert greeter.answers()
    assert stranger.is_alive


def test_server_is_started_when_the_state_file_is_damaged(tmp_path):
    service = Greeter(tmp_path)
    service.state_file.write_text("{")

    service.ensure()

    assert service.answers()
    service.stop()


def test_all_runs_get_the_same_server_when_they_start_it_at_once(tmp_path):
    script = (
        "import sys; from pathlib import Path; from tests.tools.test_service import Greeter;"
        "greeter = Greeter(Path(sys.argv[1])); greeter.ensure(); print(greeter.process.pid)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    runs = [subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) for _ in range(3)]

    pids = {run.communicate(timeout=60)[0].strip() for run in runs}

    assert pids == {str(Greeter(tmp_path).process.pid)}
    Greeter(tmp_path).stop()


def test_nothing_is_left_when_the_server_stops(greeter):
    before, port = greeter.process, greeter.port("greetings")

    greeter.stop()

    assert greeter.process is None
    assert not before.is_alive
    assert is_free(port)


def test_hanging_server_ends_when_it_is_stopped(greeter):
    before = greeter.process
    greeter.pause()

    greeter.stop()

    assert not before.is_alive


def test_stop_does_nothing_when_no_server_was_started(tmp_path):
    Greeter(tmp_path / "never").stop()


def test_reset_leaves_an_empty_directory_when_there_was_data(greeter):
    (greeter.directory / "data").mkdir()
    (greeter.directory / "data" / "file").touch()

    greeter.reset()

    assert [path.name for path in greeter.directory.iterdir()] == ["lock"]


def test_start_fails_at_once_when_the_configured_port_is_taken(tmp_path):
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]

        with pytest.raises(StartError, match=f"greetings port {port} is in use"):
            Greeter(tmp_path, ports={"greetings": port}).ensure()


def test_start_says_why_when_the_server_ends(tmp_path):
    service = Greeter(tmp_path)
    service.goes = "down"

    with pytest.raises(StartError, match="ended while starting") as caught:
        service.ensure()

    assert "no greetings today" in str(caught.value)
    assert "`make reset` starts afresh" in str(caught.value)


def test_start_fails_when_the_program_is_not_there(tmp_path):
    service = Greeter(tmp_path)
    service.prepare = lambda ports: Launch(command=["/nonexistent"], env={})

    with pytest.raises(StartError, match="/nonexistent"):
        service.ensure()
