"""The witness of the publisher's chaos: what it acknowledges, it has written down."""

import os
from threading import Event as Flag

import pytest

from tests.chaos import recorder


class Died(Exception):
    pass


def test_nothing_is_acknowledged_that_is_not_written_when_it_dies(broker_url, names, tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "EXCHANGE", names["EXCHANGE"])
    monkeypatch.setattr(recorder, "RECORDER", names["SERVICE"])
    written = 0

    def line_of(body, redelivered):
        nonlocal written
        if written == 250:
            raise Died
        written += 1
        return "a line\n"

    monkeypatch.setattr(recorder, "line_of", line_of)
    file = os.open(tmp_path / "recorded", os.O_WRONLY | os.O_CREAT)
    with recorder.connected(broker_url) as connection:
        channel = connection.channel()
        recorder.declare(channel)
        channel.confirm_delivery()
        for _ in range(300):
            channel.basic_publish(names["EXCHANGE"], "k", b"{}")
        with pytest.raises(Died):
            recorder.record(connection.channel(), file, Flag())
    os.close(file)
    with recorder.connected(broker_url) as connection:
        channel = connection.channel()
        left = channel.queue_declare(names["SERVICE"], passive=True).method.message_count
        channel.queue_delete(names["SERVICE"])
        channel.exchange_delete(names["EXCHANGE"])
    assert left >= 300 - written
