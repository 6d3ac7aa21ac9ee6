"""The file by which an orchestrator sees that a process turns: what the process does without it, and what is said."""

import logging

import pytest

from publisher.alive import AliveFile, problem_with, take_away
from tests.stage import eventually


def test_file_that_cannot_be_touched_is_told_of_once_and_touched_again_when_it_can(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("publisher.alive.TOUCH_SECONDS", 0.0)
    folder = tmp_path / "run"
    alive = AliveFile(folder / "alive")
    for _ in range(2):
        for _ in range(3):
            alive.touch()
        folder.mkdir()
        alive.touch()
        assert (folder / "alive").exists()
        (folder / "alive").unlink()
        folder.rmdir()
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2
    assert "cannot be touched any more, work goes on: No such file" in errors[0]


def test_check_says_what_is_wrong_when_the_file_cannot_be_looked_at(tmp_path):
    file = tmp_path / "alive"
    assert "no relay with --alive-file has begun" in problem_with(file, "relay")
    file.touch()
    assert problem_with(file, "relay") is None
    said = problem_with(file / "below", "relay")
    assert "Not a directory" in said
    assert "begun" not in said


def test_file_is_taken_away_and_nothing_else_is(tmp_path):
    empty, full, device = tmp_path / "empty", tmp_path / "full", tmp_path / "device"
    empty.touch()
    full.write_text("x")
    device.symlink_to("/dev/null")
    for path in (None, empty, full, device, tmp_path, tmp_path / "missing", full / "below"):
        take_away(path)
    assert sorted(tmp_path.iterdir()) == [device, full]


@pytest.mark.parametrize("command", [["relay"], ["consume", "index"]], ids=lambda command: command[0])
def test_process_goes_on_when_the_folder_of_its_file_is_gone(stage, tmp_path, command):
    folder = tmp_path / "run"
    folder.mkdir()
    process = stage.start(*command, "--alive-file", str(folder / "alive"))
    eventually(lambda: "connected" in process.log.read_text())
    eventually((folder / "alive").exists)
    (folder / "alive").unlink()
    folder.rmdir()
    eventually(lambda: "cannot be touched any more" in process.log.read_text() or process.poll() is not None)
    folder.mkdir()
    eventually((folder / "alive").exists)
    assert process.poll() is None
