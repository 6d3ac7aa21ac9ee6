"""What is no use on the command line is said there, before anything begins."""

from argparse import ArgumentParser

import pytest

from consumers.handler import Handler
from consumers.worker.options import Settings, add_options, prefetch


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--prefetch", "70000"], "a number from 1 to 65535, not '70000'"),
        (["--prefetch", "0"], "a number from 1 to 65535, not '0'"),
        (["--threads", "1100"], "a number from 1 to 1000, not '1100'"),
        (["--threads", "many"], "a number from 1 to 1000, not 'many'"),
        (["--processes", "5000"], "a number from 1 to 1000, not '5000'"),
        *((["--grace", grace], "seconds from 0 to 604800, not") for grace in ("inf", "nan", "-1", "1e9", "long")),
    ],
    ids=str,
)
def test_value_that_cannot_be_is_wrong_usage(capsys, arguments, told):
    parser = ArgumentParser()
    add_options(parser)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args([f"{arguments[0]}={arguments[1]}"])
    assert caught.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(("threads", "batch"), [(1000, 0), (1000, 20_000), (1, 32_767)])
def test_no_more_is_taken_ahead_than_amqp_can_say(threads, batch):
    handler = Handler(name="h", function=print, patterns=("#",), batch=batch)
    assert 2 * batch <= prefetch(handler, Settings(threads=threads), was_late=False) <= 65_535


@pytest.mark.parametrize(
    ("options", "ahead"),
    [({}, 4 * 64), ({"concurrency": 2}, 2), ({"concurrency": 3, "batch": 10}, 30), ({"concurrency": 100_000}, 4 * 64)],
    ids=repr,
)
def test_no_more_is_taken_ahead_than_is_called_at_a_time(options, ahead):
    handler = Handler(name="h", function=print, patterns=("#",), **options)
    assert prefetch(handler, Settings(threads=4)) == ahead


def test_worker_ends_with_2_when_its_alive_file_cannot_be_there(stage):
    path = stage.folder / "nowhere" / "alive"
    for more in ((), ("--processes", "2")):
        done = stage.manage("consume", "index", "--alive-file", str(path), *more, check=False)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)
        assert f"--alive-file {path}: No such file or directory" in done.stderr
