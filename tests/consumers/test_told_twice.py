"""A process that is told to end twice within milliseconds, by whoever signals it and its group, was told once."""

import pytest

from tests.stage import eventually, tell_twice


@pytest.mark.parametrize(
    ("command", "ready"),
    [
        (("relay",), "connected"),
        (("consume", "index"), "consuming"),
        (("consume", "index", "--processes", "2"), "consuming"),
        (("consume", "index", "--reload"), "consuming"),
        (("tail",), "Looking at"),
    ],
    ids=["relay", "consume", "processes", "reload", "tail"],
)
def test_command_ends_in_good_order_when_it_is_told_twice_at_once(stage, command, ready):
    stage.manage("topology", "--declare")
    process = stage.start(*command)
    eventually(lambda: ready in process.log.read_text())
    tell_twice(process)
    assert process.wait(15) == 0, process.log.read_text()
    assert "Traceback" not in process.log.read_text()
