"""The word to end, which is not lost wherever it comes."""

import signal

import pytest

from project.demo.interruption import ENDINGS, Interrupted, Interruption


@pytest.fixture
def interruption():
    before = {number: signal.getsignal(number) for number in ENDINGS}
    yield Interruption()
    for number, handler in before.items():
        signal.signal(number, handler)


class Ends:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


def test_nothing_is_raised_until_a_signal_comes(interruption):
    interruption.check()
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(Interrupted):
        interruption.check()


def test_a_signal_within_a_destructor_is_heard(interruption):
    Ends()
    with pytest.raises(Interrupted):
        interruption.check()


def test_a_second_signal_waits_for_nothing(interruption):
    signal.raise_signal(signal.SIGHUP)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGHUP)
