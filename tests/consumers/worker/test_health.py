"""What an orchestrator is told."""

import os
import time

import psutil
import pytest
from django.core.management import CommandError, call_command

from consumers.bindings import topology_of
from consumers.discovery import discover
from consumers.worker.health import problems_of_queues
from publisher.alive import ALIVE_SECONDS
from publisher.wire.connection import Connection
from publisher.wire.intake import Intake
from tests.stage import eventually


@pytest.fixture
def alive_file(tmp_path):
    return tmp_path / "alive"


def check(alive_file):
    call_command("consume", "--check", "--alive-file", str(alive_file))


def test_process_is_alive_when_its_file_is_young(alive_file, capsys):
    alive_file.touch()
    check(alive_file)
    assert capsys.readouterr().out == "The worker is alive.\n"


def test_process_is_stuck_when_its_file_is_old(alive_file):
    alive_file.touch()
    os.utime(alive_file, (time.time() - ALIVE_SECONDS - 1,) * 2)
    with pytest.raises(CommandError, match="was touched 61 seconds ago: the worker is stuck"):
        check(alive_file)


def test_process_never_began_when_there_is_no_file(alive_file):
    with pytest.raises(CommandError, match="No such file"):
        check(alive_file)


def test_handlers_are_at_work_when_somebody_takes_from_each_queue(bridge):
    handlers = discover()
    queues = [f"{bridge['SERVICE']}.{handler.name}" for handler in handlers]
    assert problems_of_queues(handlers) == [f"{queue}: there is no such queue" for queue in queues]
    with Connection(bridge["BROKER_URL"], "test") as connection:
        connection.declare(topology_of(handlers))
        assert problems_of_queues(handlers) == [f"{queue}: nobody takes from it" for queue in queues]
        intake = Intake(connection, lambda delivery: None)
        for queue in queues:
            intake.consume(queue, 1)
        assert problems_of_queues(handlers) == []


def test_check_ends_with_1_when_there_is_no_broker(stage):
    done = stage.manage("consume", "--check", check=False, BROKER_URL="amqp://guest:planted@127.0.0.1:1/")
    assert (done.returncode, "127.0.0.1:1" in done.stderr, "planted" in done.stderr) == (1, True, False)


@pytest.mark.parametrize(
    ("database_url", "trouble"),
    [
        ("sqlite:////no/such.db", "unable to open"),
        ("sqlite:///:memory:", "run: manage.py migrate consumers --database"),
    ],
    ids=["away", "not migrated"],
)
def test_check_ends_with_1_when_the_inbox_is_not_there(stage, database_url, trouble):
    # Some of Django's own checks want a database that is there.
    done = stage.manage("consume", "--check", "--skip-checks", check=False, TEST_DATABASE_URL=database_url)
    assert done.returncode == 1
    assert "The inbox in 'default': " in done.stderr
    assert trouble in done.stderr


def test_check_ends_with_0_beside_a_worker_and_with_1_after_it(stage, alive_file):
    worker = stage.start("consume", "--alive-file", str(alive_file))
    eventually(lambda: all(word in worker.log.read_text() for word in ("consuming", "answering")))
    assert stage.manage("consume", "--check").stdout == "Handlers at work: 5.\n"
    first = eventually(lambda: alive_file.exists() and alive_file.stat().st_mtime_ns)
    eventually(lambda: alive_file.stat().st_mtime_ns > first)
    worker.terminate()
    assert worker.wait(10) == 0
    other = stage.manage("consume", "--check", check=False, TEST_EXCHANGE="another")
    assert (other.returncode, "inequivalent arg" in other.stderr) == (1, True)
    done = stage.manage("consume", "--check", "index", check=False)
    assert (done.returncode, "index: nobody takes from it" in done.stderr) == (1, True)


def test_worker_is_alive_while_it_waits_for_the_broker(stage, alive_file):
    worker = stage.start("consume", "--alive-file", str(alive_file), BROKER_URL="amqp://127.0.0.1:1/")
    eventually(lambda: "waiting for the broker" in worker.log.read_text())
    first = eventually(lambda: alive_file.exists() and alive_file.stat().st_mtime_ns)
    eventually(lambda: alive_file.stat().st_mtime_ns > first)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_nobody_is_alive_any_more_as_soon_as_the_worker_has_ended(stage, alive_file, processes):
    worker = stage.start("consume", "index", "--processes", processes, "--alive-file", str(alive_file))
    eventually(lambda: worker.log.read_text().count("consuming") == int(processes))
    assert alive_file.exists()
    worker.terminate()
    assert worker.wait(20) == 0
    with pytest.raises(CommandError, match="no worker with --alive-file has begun, or it ended"):
        check(alive_file)


def test_file_stays_when_one_of_several_processes_ends(stage, alive_file):
    worker = stage.start("consume", "index", "--processes", "2", "--alive-file", str(alive_file))
    eventually(lambda: worker.log.read_text().count("consuming") == 2)
    same = alive_file.with_name("same")
    os.link(alive_file, same)
    psutil.Process(worker.pid).children()[0].terminate()
    eventually(lambda: worker.log.read_text().count("consuming") == 3)
    assert alive_file.samefile(same)
